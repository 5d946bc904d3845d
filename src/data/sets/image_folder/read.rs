//! Reading image files of any size as images of 32×32.

use std::path::Path;

use rayon::prelude::*;

use super::class_folders::{ClassFolders, LabelledFile};
use super::{ImageFolderError, ReadOptions};
use crate::data::convert::{convert_channels, fit, pad};
use crate::data::loaded::{self, Loaded};
use crate::data::reading;
use crate::data::{
    Channels, Conversion, DataError, Decoded, Fit, ImageFile, ImageFileError, ImageSet, ImageSize,
};
use crate::memory::Reservation;
use crate::model::lenet::IMAGE_SIDE as SIDE;
use crate::wording;

/// The number of skipped images that a warning names.
const MAX_NAMED: usize = 3;

/// The bytes of an image of its own besides its pixels.
const OWN: u64 = (size_of::<(ImageSet, Reservation)>() + 64) as u64;

/// The bytes of the pixels of a fitted image, at most.
const RESULT: u64 = (3 * SIDE * SIDE) as u64;

/// Reads all images of some subsets as 32×32, one set for each, and returns how they were fitted.
///
/// What the conversion leaves open follows from the images of all subsets together: they are padded if every image is
/// 28×28, and all resized otherwise; they are in colour if any image is.
pub fn read(subsets: &[&ClassFolders], options: ReadOptions) -> Result<(Vec<Loaded>, Fit), DataError> {
    let files: Vec<_> = subsets.iter().map(|subset| subset.files()).collect();
    reading::count_found(files.iter().map(Vec::len).sum());
    let conversion = options.conversion;
    let mut bad = Vec::new();
    let mut images = Vec::from_iter(subsets.iter().map(|_| Vec::new()));
    let mut memory = Vec::new();
    for (images, files) in images.iter_mut().zip(&files) {
        // Each thread drops the original before it reads the next file, so memory holds one original per thread.
        let read: Vec<_> = files.par_iter().map(|file| read_image(file, conversion)).collect();
        images.reserve_exact(read.len());
        for (image, file) in read.into_iter().zip(files) {
            match image? {
                Ok((image, of_image)) => {
                    images.push(image);
                    memory.push(of_image);
                }
                // Which images are skipped must not depend on the machine.
                Err(fault @ ImageFileError::Memory { .. }) => {
                    return Err(
                        ImageFolderError::BadImage { path: file.path.to_owned(), fault, more: 0 }.into()
                    );
                }
                Err(fault) => bad.push((file.path, fault)),
            }
        }
    }
    let count = files.iter().map(Vec::len).sum();
    handle_bad_images(bad, count, options.skip_bad_images)?;
    for (subset, images) in subsets.iter().zip(&images) {
        check_every_class(subset, images)?;
    }

    let mut all = images.iter().flatten();
    let fit = conversion.fit.unwrap_or(if all.clone().all(is_padded) { Fit::Pad } else { Fit::Resize });
    let colour = all.any(|image| image.channels == Channels::Colour.count());
    let channels = conversion.channels.unwrap_or(if colour { Channels::Colour } else { Channels::Grey });
    let sets = images.into_iter().map(|images| collect(images, fit, channels));
    let mut sets = sets.collect::<Result<Vec<_>, _>>()?;
    if options.transpose {
        sets.iter_mut().for_each(|set| set.images.transpose());
    }
    Ok((sets, fit))
}

/// Reads and fits one image. An image of 28×28 whose fit depends on the other images is not fitted yet. The inner error
/// is that of the file.
fn read_image(
    file: &LabelledFile,
    conversion: Conversion,
) -> Result<Result<(ImageSet, Reservation<'static>), ImageFileError>, DataError> {
    reading::count_read();
    // Resizing needs a row of sums, and the result.
    let extra = |size: ImageSize| size_of::<f32>() as u64 * u64::from(size.width) + OWN + RESULT;
    let Decoded { image, memory } = match ImageFile::read_with(file.path, &extra) {
        Ok(decoded) => decoded,
        Err(fault) => return Ok(Err(fault)),
    };
    let ImageFile { channels, height, width, pixels } = image;
    let image = ImageSet { channels, height, width, pixels, labels: vec![file.label] };
    match conversion.convert(image) {
        Ok(image) => {
            let memory = memory.keep(image.pixels.len() as u64 + OWN);
            Ok(Ok((image, memory)))
        }
        Err(DataError::TooLargeToPad { height, width }) => {
            Err(ImageFolderError::TooLargeToPad { path: file.path.to_owned(), height, width }.into())
        }
        Err(error) => Err(error),
    }
}

/// Warns of images that cannot be read if they are to be skipped; otherwise returns the error for the first one.
fn handle_bad_images(
    bad: Vec<(&Path, ImageFileError)>,
    count: usize,
    skip_bad_images: bool,
) -> Result<(), ImageFolderError> {
    let more = bad.len().saturating_sub(1);
    if skip_bad_images && !bad.is_empty() {
        let named = bad.iter().take(MAX_NAMED).map(|(path, fault)| format!("{} {fault}", path.display()));
        let named: Vec<_> = named.collect();
        let rest = if bad.len() > MAX_NAMED { "; and so on" } else { "" };
        log::warn!("skipped {} of {}: {}{rest}", bad.len(), wording::count(count, "image"), named.join("; "));
        return Ok(());
    }
    match bad.into_iter().next() {
        Some((path, fault)) => Err(ImageFolderError::BadImage { path: path.to_owned(), fault, more }),
        None => Ok(()),
    }
}

/// Rejects a subset if all images of a class were skipped.
fn check_every_class(subset: &ClassFolders, images: &[ImageSet]) -> Result<(), ImageFolderError> {
    let mut has_images = vec![false; subset.len()];
    images.iter().for_each(|image| has_images[usize::from(image.labels[0])] = true);
    let mut classes = has_images.iter().enumerate().map(|(class, has)| (*has, subset.class_folder(class)));
    match classes.find(|(has_images, (_, has_files))| !has_images && *has_files) {
        Some((_, (path, _))) => Err(ImageFolderError::NoneLeft { path: path.to_owned() }),
        None => Ok(()),
    }
}

fn is_padded(image: &ImageSet) -> bool {
    Fit::of(image.height, image.width) == Fit::Pad
}

/// Combines sets of one image into one set of 32×32.
fn collect(images: Vec<ImageSet>, requested: Fit, channels: Channels) -> Result<Loaded, DataError> {
    let (count, image_len) = (images.len(), channels.count() * SIDE * SIDE);
    let memory = loaded::hold(count, image_len).map_err(|source| DataError::Memory {
        what: format!("{} of {SIDE}×{SIDE}", wording::count(count, "image")),
        source,
    })?;
    let mut all = ImageSet {
        channels: channels.count(),
        height: SIDE,
        width: SIDE,
        pixels: Vec::with_capacity(count * image_len),
        labels: Vec::with_capacity(count),
    };
    for image in images {
        let image = convert_channels(pad(fit(image, Some(requested))?), channels);
        all.pixels.extend(image.pixels);
        all.labels.extend(image.labels);
    }
    Ok(Loaded { images: all, memory: Some(memory) })
}
