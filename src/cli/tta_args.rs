//! The option for the views of images that are classified together.

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Args, Command};

use super::notice;
use crate::data::TestTimeAugmentation;
use crate::model::{Ensemble, NamedModel};
use crate::predict::AutoChoice;
use crate::wording::count;

/// The views of each image.
#[derive(Debug, Clone, Copy, Args)]
pub struct TtaArgs {
    /// Views of each image whose probabilities are averaged (test-time augmentation): `flip`, its mirror image; `shift=N`,
    /// all shifts by up to N pixels, 1 to 4; or both, as in flip,shift=1
    #[arg(long = "tta", value_name = "VIEWS", default_value_t = TestTimeAugmentation::NONE, value_parser = ViewsParser)]
    #[arg(hide_possible_values = true, help_heading = "Images")]
    pub views: TestTimeAugmentation,
}

/// Parses views. The examples are the choices of an error and of the shell's completion.
#[derive(Debug, Clone)]
struct ViewsParser;

impl TypedValueParser for ViewsParser {
    type Value = TestTimeAugmentation;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let parser = StringValueParser::new().try_map(|typed| typed.parse::<TestTimeAugmentation>());
        parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(["none", "flip", "shift=1", "flip,shift=1"].into_iter().map(PossibleValue::new)))
    }
}

impl TtaArgs {
    /// For a message on what is done: "9 views of each of ", or nothing.
    pub fn of_each(self) -> String {
        match self.views.count() {
            1 => String::new(),
            views => format!("{} of each of ", count(views, "view")),
        }
    }

    /// Warns of mirrored views if the models read handwriting.
    pub fn warn(self, ensemble: &Ensemble) {
        let reads_handwriting = |member: &NamedModel| AutoChoice::of(&member.model).is_digit();
        if self.views.flips() && ensemble.members().iter().any(reads_handwriting) {
            notice::warning(
                "--tta flip mirrors digits or letters, and a mirrored 3 is not a 3; --tta shift=1 suits handwriting",
            );
        }
    }
}
