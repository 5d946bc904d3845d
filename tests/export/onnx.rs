//! Exported ONNX files, run by tract.

use lenet_gpu::data::Fit;
use lenet_gpu::export::{Format, Input, to_bytes};
use lenet_gpu::model::{Model, ModelInfo};
use tract_onnx::prelude::*;

use crate::models::{GREY, ROUNDINGS, images, logits, networks, normalised, random_model, roundings};

/// Batch sizes, run one after the other by the same session.
const BATCHES: [usize; 3] = [1, 7, 24];

const RAW: Input = Input::Raw { height: 28, width: 28 };

/// Runs the batches in tract and returns all logits `[N, K]`.
pub fn run<T: Datum + Copy>(file: &[u8], values: &[T], image: &[usize], batches: &[usize]) -> Vec<f32> {
    let model = tract_onnx::onnx().model_for_read(&mut &*file).unwrap();
    let model = model.into_optimized().unwrap().into_runnable().unwrap();
    let (mut rest, mut logits) = (values, Vec::new());
    for &batch in batches {
        let (values, later) = rest.split_at(batch * image.iter().product::<usize>());
        rest = later;
        let shape = [&[batch], image].concat();
        let outputs = model.run(tvec!(Tensor::from_shape(&shape, values).unwrap().into())).unwrap();
        let output = outputs[0].to_plain_array_view::<f32>().unwrap();
        assert_eq!(output.shape()[0], batch);
        logits.extend(output.iter());
    }
    assert!(rest.is_empty());
    logits
}

#[test]
fn onnx_files_give_the_cpu_engines_logits_for_any_batch_size() {
    for network in networks() {
        let (model, images) = (random_model(network), images(BATCHES.iter().sum(), network));
        let expected = logits(&model, &images);

        let file = to_bytes(&model, Format::Onnx, Input::Normalised);
        let found = run(&file, &normalised(&images), &[network.channels, 32, 32], &BATCHES);
        let off = roundings(&found, &expected);
        assert!(off <= ROUNDINGS, "{network:?}: {off}");

        let file = to_bytes(&model, Format::Onnx, RAW);
        let found = run(&file, &images.pixels, &[network.channels, 28, 28], &BATCHES);
        let off = roundings(&found, &expected);
        assert!(off <= ROUNDINGS, "{network:?} from pixels: {off}");
    }
}

#[test]
fn raw_images_of_any_size_are_padded_as_in_training() {
    let model = random_model(GREY);
    for (height, width) in [(32, 32), (20, 31), (1, 1)] {
        let mut images = images(5, GREY);
        (images.height, images.width) = (height, width);
        images.pixels = (0..5 * height * width).map(|index| (index * 37 % 256) as u8).collect();
        let file = to_bytes(&model, Format::Onnx, Input::Raw { height, width });
        let found = run(&file, &images.pixels, &[1, height, width], &[5]);
        let off = roundings(&found, &logits(&model, &images));
        assert!(off <= ROUNDINGS, "{height}×{width}: {off}");
    }
}

#[test]
fn metadata_holds_the_producer_data_set_fit_and_class_names() {
    let names: Vec<String> = (0..10).map(|class| format!("class \"{class}\"")).collect();
    let info = ModelInfo {
        dataset: Some("clothes".to_owned()),
        fit: Some(Fit::Pad),
        class_names: Some(names.clone()),
        ..ModelInfo::default()
    };
    let model = Model { info, ..random_model(GREY) };
    let file = to_bytes(&model, Format::Onnx, RAW);
    let proto = tract_onnx::onnx().proto_model_for_read(&mut &*file).unwrap();

    assert_eq!(proto.producer_name, "lenet-gpu");
    assert!(proto.producer_version.starts_with(env!("CARGO_PKG_VERSION")));
    assert!(proto.opset_import[0].version >= 17);
    let entry = |key: &str| &proto.metadata_props.iter().find(|entry| entry.key == key).unwrap().value;
    assert_eq!((entry("dataset").as_str(), entry("fit").as_str()), ("clothes", "pad"));
    assert_eq!(serde_json::from_str::<Vec<String>>(entry("class_names")).unwrap(), names);

    let graph = proto.graph.unwrap();
    assert_eq!((graph.input[0].name.as_str(), graph.output[0].name.as_str()), ("pixels", "logits"));
    let constants: Vec<_> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    for name in ["conv1.weight", "conv1.bias", "fc3.weight", "fc3.bias"] {
        assert!(constants.contains(&name), "{constants:?}");
    }
}

#[test]
fn unknown_metadata_is_left_out() {
    let file = to_bytes(&random_model(GREY), Format::Onnx, Input::Normalised);
    let proto = tract_onnx::onnx().proto_model_for_read(&mut &*file).unwrap();
    assert!(proto.metadata_props.is_empty(), "{:?}", proto.metadata_props);
    assert_eq!(proto.graph.unwrap().input[0].name, "input");
}
