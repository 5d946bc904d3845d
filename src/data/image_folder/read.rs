//! Image files of any size as images of 32×32.

use std::path::Path;

use rayon::prelude::*;

use super::ImageFolderError;
use super::class_folders::{ClassFolders, LabelledFile};
use crate::data::channels::convert;
use crate::data::fit::{fit, pad};
use crate::data::open::OpenOptions;
use crate::data::{Channels, Conversion, DataError, Fit, ImageFile, ImageFileError, ImageSet};
use crate::model::lenet::IMAGE_SIDE as SIDE;

/// How many of the images that were skipped are named.
const NAMED: usize = 3;

/// Reads all images of some parts, each of which then is of 32×32, and tells how they came to be.
///
/// What is not asked for follows from the images of all parts together: they are padded where every one is
/// of 28×28, else all of them are resized; they are in colour where any one is.
pub fn read<const PARTS: usize>(
    parts: [&ClassFolders; PARTS],
    options: &OpenOptions,
) -> Result<([ImageSet; PARTS], Fit), DataError> {
    let files = parts.map(ClassFolders::files);
    let conversion = options.conversion;
    let mut bad = Vec::new();
    let mut images = [const { Vec::new() }; PARTS];
    for (images, files) in images.iter_mut().zip(&files) {
        // An original is gone when its thread takes the next file, so that memory holds one of them a thread.
        let read: Vec<_> = files.par_iter().map(|file| read_image(file, conversion)).collect();
        images.reserve_exact(read.len());
        for (image, file) in read.into_iter().zip(files) {
            match image? {
                Ok(image) => images.push(image),
                Err(fault) => bad.push((file.path, fault)),
            }
        }
    }
    let count = files.iter().map(Vec::len).sum();
    pass_over(bad, count, options.skip_bad_images)?;
    for (part, images) in parts.iter().zip(&images) {
        check_every_class(part, images)?;
    }

    let mut all = images.iter().flatten();
    let fit = conversion.fit.unwrap_or(if all.clone().all(is_to_be_padded) { Fit::Pad } else { Fit::Resize });
    let colour = all.any(|image| image.channels == Channels::Colour.count());
    let channels = conversion.channels.unwrap_or(if colour { Channels::Colour } else { Channels::Grey });
    let mut splits = Vec::with_capacity(PARTS);
    for images in images {
        splits.push(gather(images, fit, channels)?);
    }
    Ok((splits.try_into().expect("a part has a split"), fit))
}

/// An image that is fitted, or, where that may depend on the others, of 28×28; or what is wrong with the file.
fn read_image(
    file: &LabelledFile,
    conversion: Conversion,
) -> Result<Result<ImageSet, ImageFileError>, DataError> {
    let ImageFile { channels, height, width, pixels } = match ImageFile::read(file.path) {
        Ok(image) => image,
        Err(fault) => return Ok(Err(fault)),
    };
    let image = ImageSet { channels, height, width, pixels, labels: vec![file.label] };
    conversion.apply(image).map(Ok).map_err(|error| match error {
        DataError::TooLargeToPad { height, width } => {
            ImageFolderError::TooLargeToPad { path: file.path.to_owned(), height, width }.into()
        }
        error => error,
    })
}

/// Where images that cannot be read are an error, that error; else they are told of.
fn pass_over(
    bad: Vec<(&Path, ImageFileError)>,
    count: usize,
    skip_bad_images: bool,
) -> Result<(), ImageFolderError> {
    let more = bad.len().saturating_sub(1);
    if skip_bad_images && !bad.is_empty() {
        let told = bad.iter().take(NAMED).map(|(path, fault)| format!("{} {fault}", path.display()));
        let told: Vec<_> = told.collect();
        let rest = if bad.len() > NAMED { "; and so on" } else { "" };
        log::warn!("skipped {} of {count} images: {}{rest}", bad.len(), told.join("; "));
        return Ok(());
    }
    match bad.into_iter().next() {
        Some((path, fault)) => Err(ImageFolderError::BadImage { path: path.to_owned(), fault, more }),
        None => Ok(()),
    }
}

/// Refuses a part in which all images of a class were skipped.
fn check_every_class(part: &ClassFolders, images: &[ImageSet]) -> Result<(), ImageFolderError> {
    let mut is_there = vec![false; part.len()];
    images.iter().for_each(|image| is_there[usize::from(image.labels[0])] = true);
    match is_there.iter().position(|is_there| !is_there) {
        Some(class) => Err(ImageFolderError::NoneLeft { path: part.class_folder(class).to_owned() }),
        None => Ok(()),
    }
}

fn is_to_be_padded(image: &ImageSet) -> bool {
    Fit::of(image.height, image.width) == Fit::Pad
}

/// All images of a part as one split.
fn gather(images: Vec<ImageSet>, wanted: Fit, channels: Channels) -> Result<ImageSet, DataError> {
    let mut all = ImageSet {
        channels: channels.count(),
        height: SIDE,
        width: SIDE,
        pixels: Vec::with_capacity(images.len() * channels.count() * SIDE * SIDE),
        labels: Vec::with_capacity(images.len()),
    };
    for image in images {
        let image = convert(pad(fit(image, Some(wanted))?), channels);
        all.pixels.extend(image.pixels);
        all.labels.extend(image.labels);
    }
    Ok(all)
}
