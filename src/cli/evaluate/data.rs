//! The images to evaluate a model on: those that it was tested with in training, or others that the user names.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::super::data_args::{DataArgs, find};
use super::super::{Failure, notice};
use crate::data::{
    Channels, Conversion, DataError, DataLocation, DataSource, Dataset, DatasetKind, ImageFolderError,
    ImageSet, OpenOptions, OpenedDataset, TestSet, TestSplit, embedded_fingerprint, embedded_mnist_test,
};
use crate::model::{Ensemble, Model, NamedModel};
use crate::wording::count;

/// Test images and what is known about them.
pub struct EvaluationData {
    pub images: Arc<ImageSet>,
    pub class_names: Option<Vec<String>>,
    /// The known data set.
    pub kind: Option<DatasetKind>,
    pub location: DataLocation,
    /// Whether they were held out of the images of a folder without a split, as in the model's training.
    pub is_held_out: bool,
    /// Whether they are the test images of the model's training; `None` if this was not checked.
    pub is_of_training: Option<bool>,
}

/// The sets that files of earlier versions may name: they recorded the name of the data's folder only.
const NAMED: [DatasetKind; 3] = [DatasetKind::Mnist, DatasetKind::Cifar10, DatasetKind::FashionMnist];

/// Reads the images that the user names, or else the test images of the model's training.
pub fn open(args: &DataArgs, model: &Model) -> Result<EvaluationData, Failure> {
    args.apply_memory_limit();
    let source = model.info.source.as_ref();
    match source {
        _ if args.names_a_set() => open_named(args, model, source),
        Some(source) => open_source(args, model, source),
        None => open_guessed(args, model),
    }
}

/// Checks that images which were opened for the leading model of an ensemble are the test images of every other one, too:
/// otherwise some may have been trained on them.
pub fn check_other_members(
    args: &DataArgs,
    ensemble: &Ensemble,
    data: &mut EvaluationData,
) -> Result<(), Failure> {
    let lead = ensemble.lead().info.source.as_ref();
    let is_like_lead = |source: &DataSource| {
        lead.is_some_and(|lead| lead.test == source.test && lead.location == source.location)
    };
    for NamedModel { name, model } in ensemble.members() {
        let Some(source) = model.info.source.as_ref().filter(|source| !is_like_lead(source)) else {
            continue;
        };
        if is_of_training(args, model, source, data) != Some(false) {
            continue;
        }
        let before = PlaceOf(&source.location, source.kind);
        if !args.names_a_set() {
            return Err(Failure::usage(
                format!(
                    "the models were tested with different images in training: {name} with others of {before}"
                ),
                "name the test images with --data-dir PATH or --dataset KIND",
            ));
        }
        notice::warning(format_args!(
            "{name} was not tested with these images in training, but with others of {before}"
        ));
        data.is_of_training = Some(false);
    }
    Ok(())
}

/// The folder of the data that [`open`] opens for a model with this source, unless it is built in or in the cache.
pub fn folder<'a>(args: &'a DataArgs, source: Option<&'a DataSource>) -> Option<&'a Path> {
    match (args.folder(), source) {
        (Some(folder), _) => Some(folder),
        (None, Some(DataSource { location: DataLocation::Path(path), .. })) if !args.names_a_set() => {
            Some(path)
        }
        (None, _) => None,
    }
}

/// Reads the test images of the model's training.
fn open_source(args: &DataArgs, model: &Model, source: &DataSource) -> Result<EvaluationData, Failure> {
    if let DataLocation::Path(path) = &source.location
        && matches!(path.try_exists(), Ok(false))
    {
        return Err(Failure::usage(
            format!("the model was trained on {}, which does not exist", path.display()),
            "name the test images with --data-dir PATH or --dataset KIND",
        ));
    }
    let mut options = OpenOptions { kind: source.requested, ..args.options(own_conversion(args, model)) };
    options.skip_bad_images |= source.skip_bad_images;
    options.transpose = options.transpose.or(source.transpose);
    let data = read(&source.location, options, source.test_split)?;
    let is_of_training = is_of_training(args, model, source, &data);
    if is_of_training == Some(false) {
        return Err(Failure::usage(
            format!("the images of {} are not those of the model's training", Place(&data)),
            "name the test images with --data-dir PATH or --dataset KIND",
        ));
    }
    Ok(EvaluationData { is_of_training, ..data })
}

/// Reads the images that the user names, and warns if they are others than in the model's training.
fn open_named(
    args: &DataArgs,
    model: &Model,
    source: Option<&DataSource>,
) -> Result<EvaluationData, Failure> {
    let conversion = Conversion { fit: args.conversion().fit.or(model.info.fit), ..args.conversion() };
    let (location, mut options) = (args.location(), args.options(conversion));
    let Some(source) = source else { return read(&location, options, None) };
    let is_same_place = location == source.location;
    options.skip_bad_images |= source.skip_bad_images;
    options.transpose = options.transpose.or(source.transpose.filter(|_| is_same_place));
    let checked = |data: EvaluationData| {
        let is_of_training = is_of_training(args, model, source, &data);
        EvaluationData { is_of_training, ..data }
    };
    // The folder may be the model's, of which only some images were not trained on.
    let mut data = checked(read(&location, options, source.test_split)?);
    if data.is_held_out && !data.is_of_training.unwrap_or(is_same_place) {
        data = checked(read(&location, options, None)?);
    }
    if data.is_of_training == Some(false) {
        let (place, before) = (Place(&data), PlaceOf(&source.location, source.kind));
        match is_same_place {
            true => notice::warning(format_args!("the images of {place} have changed since training")),
            false => notice::warning(format_args!(
                "{place} is not the data that the model was tested with in training, {before}"
            )),
        }
    }
    Ok(data)
}

/// Reads the images of a model whose file does not record them. Files of earlier versions have a name to go by.
fn open_guessed(args: &DataArgs, model: &Model) -> Result<EvaluationData, Failure> {
    let name = model.info.dataset.as_deref();
    let Some(kind) = NAMED.into_iter().find(|kind| Some(kind.name()) == name) else {
        return Err(Failure::usage(
            "the model file does not record which images to test with",
            "name them with --data-dir PATH or --dataset KIND",
        ));
    };
    notice::note(format_args!(
        "the model file records only the name of its data set, {kind}; evaluating on {kind}, unless --data-dir names \
         other images"
    ));
    let location = match kind {
        DatasetKind::Mnist => DataLocation::BuiltIn,
        kind => DataLocation::Fetched(kind),
    };
    read(&location, OpenOptions { kind: Some(kind), ..args.options(own_conversion(args, model)) }, None)
}

/// How the model's own images are converted: as in training, unless the user chooses otherwise.
fn own_conversion(args: &DataArgs, model: &Model) -> Conversion {
    let Conversion { fit, channels } = args.conversion();
    Conversion { fit: fit.or(model.info.fit), channels: channels.or(channels_of(model)) }
}

/// Whether these are the test images of the model's training. `None` if they are not recognised but would not be either
/// if they were, as they are converted in another way and so have another fingerprint.
fn is_of_training(
    args: &DataArgs,
    model: &Model,
    source: &DataSource,
    data: &EvaluationData,
) -> Option<bool> {
    let Conversion { fit, channels } = args.conversion();
    let transpose = args.options(Conversion::default()).transpose;
    let is_converted_alike = (fit.is_none() || fit == model.info.fit)
        && (channels.is_none() || channels == channels_of(model))
        && (transpose.is_none() || transpose == source.transpose)
        && data.images.channels == model.network.channels;
    match are_of(source, data) {
        true => Some(true),
        false => is_converted_alike.then_some(false),
    }
}

fn channels_of(model: &Model) -> Option<Channels> {
    match model.network.channels {
        1 => Some(Channels::Grey),
        3 => Some(Channels::Colour),
        _ => None,
    }
}

/// Whether these are the images that a model's file records.
fn are_of(source: &DataSource, data: &EvaluationData) -> bool {
    let is_built_in = [&source.location, &data.location].into_iter().all(|at| *at == DataLocation::BuiltIn);
    let known = embedded_fingerprint(&data.images).filter(|_| is_built_in);
    known == Some(&source.test.fingerprint) || source.test.are_first_of(&data.images)
}

/// Reads test images; with a split, those that it holds out of a folder without test images. If it cannot hold out any, as
/// a class has one image, all images of the folder are read.
fn read(
    location: &DataLocation,
    options: OpenOptions,
    split: Option<TestSplit>,
) -> Result<EvaluationData, Failure> {
    let test_of = |Dataset { kind, test, class_names, .. }| TestSet {
        kind,
        images: Arc::unwrap_or_clone(test),
        class_names,
    };
    let mut is_held_out = false;
    let test = match (find(location)?, split) {
        (None, _) => embedded_mnist_test(options.conversion).map(|images| TestSet {
            kind: Some(DatasetKind::Mnist),
            images,
            class_names: None,
        }),
        (Some(path), None) => options.open_test(&path),
        (Some(path), Some(split)) => match options.open(&path) {
            Ok(OpenedDataset::Split(data)) => Ok(test_of(data)),
            Ok(OpenedDataset::Unsplit(folder)) => match folder.split(split.share, split.seed) {
                Err(
                    DataError::OneImage { .. } | DataError::ImageFolder(ImageFolderError::OneImage { .. }),
                ) => options.open_test(&path),
                held_out => {
                    is_held_out = true;
                    held_out.map(test_of)
                }
            },
            // Training images that are missing or invalid do not matter.
            Err(_) => options.open_test(&path),
        },
    };
    let TestSet { kind, images, class_names } = test.map_err(Failure::input)?;
    Ok(EvaluationData {
        images: Arc::new(images),
        class_names,
        kind,
        location: location.clone(),
        is_held_out,
        is_of_training: None,
    })
}

/// For a line: "10000 test images of MNIST (built in)".
impl fmt::Display for EvaluationData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, place) = (self.images.len(), Place(self));
        match self.is_held_out {
            true if images == 1 => write!(f, "1 image of {place} that was held out in training"),
            true => write!(f, "{images} images of {place} that were held out in training"),
            false => write!(f, "{} of {place}", count(images, "test image")),
        }
    }
}

/// The name of a data set with its location.
struct Place<'a>(&'a EvaluationData);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PlaceOf(&self.0.location, self.0.kind).fmt(f)
    }
}

struct PlaceOf<'a>(&'a DataLocation, Option<DatasetKind>);

impl fmt::Display for PlaceOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(DataLocation::BuiltIn, _) => f.write_str("MNIST (built in)"),
            Self(DataLocation::Fetched(kind), _) => write!(f, "{kind} (downloaded)"),
            Self(DataLocation::Path(path), Some(kind)) => write!(f, "{} ({kind})", path.display()),
            Self(DataLocation::Path(path), None) => write!(f, "{}", path.display()),
        }
    }
}
