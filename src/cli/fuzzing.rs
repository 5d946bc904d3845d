//! Entry points for the fuzz targets in `fuzz/`: the parsers of recipes and of the command line, without the work.

use std::ffi::OsString;

use toml::Table;

use super::recipe::{self, Recipe};
use super::usage;
use crate::escape::escape;

/// The options in a recipe, as arguments; or the message of the error.
pub fn recipe(text: &str) -> Result<Vec<OsString>, String> {
    let arguments = Recipe::parse("a recipe", text).and_then(|recipe| recipe.arguments());
    arguments.map_err(|failure| printed(&failure.to_string()))
}

/// The given options of `train`, in the form of a recipe, of a command line that starts with the program's name; or the
/// message of the error.
pub fn options(arguments: Vec<OsString>) -> Result<Table, String> {
    let (matches, _) =
        super::parse(arguments, usage::rejected).map_err(|failure| printed(&failure.to_string()))?;
    Ok(recipe::options(&matches))
}

/// A message in the form in which it is printed.
fn printed(message: &str) -> String {
    escape(message).into_owned()
}
