//! Access to all activations of a network, for checks and tests.

use std::borrow::Cow;

use super::Network;
use crate::cpu::Real;
use crate::cpu::layer::Variable;

/// The activations of the last batch, and their gradients once [`Network::backward`] ran. Every slice holds the whole
/// batch; shapes are those of one image.
#[derive(Debug, Clone)]
pub struct Activations<'a, T: Real> {
    /// `[C, 32, 32]`
    pub x: &'a [T],
    /// `[6, 28, 28]`, after ReLU
    pub conv1: Cow<'a, [T]>,
    /// `[6, 14, 14]`
    pub pool1: &'a [T],
    /// `[6, 14, 14]`, positions in a plane of conv1
    pub argmax1: &'a [u32],
    /// `[16, 10, 10]`, after ReLU
    pub conv2: Cow<'a, [T]>,
    /// `[16, 5, 5]`
    pub pool2: &'a [T],
    /// `[16, 5, 5]`, positions in a plane of conv2
    pub argmax2: &'a [u32],
    /// `[120]`, after the activation
    pub fc1: &'a [T],
    /// `[84]`, after the activation
    pub fc2: &'a [T],
    /// `[K]`: log-probabilities, or the logits for losses on logits (mse, raw nll)
    pub outputs: &'a [T],
    /// The normalised conv1, conv2, fc1 and fc2, if the network has batch normalisation
    pub norms: Option<[&'a [T]; 4]>,
    /// `[6, 28, 28]`, before ReLU
    pub dconv1: Cow<'a, [T]>,
    /// `[6, 14, 14]`
    pub dpool1: &'a [T],
    /// `[16, 10, 10]`, before ReLU
    pub dconv2: Cow<'a, [T]>,
    /// `[16, 5, 5]`
    pub dpool2: &'a [T],
    /// `[120]`, before the activation
    pub dfc1: &'a [T],
    /// `[84]`, before the activation
    pub dfc2: &'a [T],
    /// `[K]`, the gradient at the logits
    pub dlogits: &'a [T],
    /// The gradients of [`Self::norms`]
    pub dnorms: Option<[&'a [T]; 4]>,
}

impl<T: Real> Network<T> {
    /// The outputs of conv1 and conv2 after ReLU for the last batch. They are recomputed if they are not stored.
    fn conv_outputs(&self) -> [Cow<'_, [T]>; 2] {
        let parameter = |name| &self.parameters[self.table.get(name).range()];
        let x = &self.x[..self.batch * self.shape.image_len()];
        let y = &self.conv1.pooled.output.value[..self.batch * self.shape.pool1().out_len()];
        [
            self.conv1.conv_output(x, parameter("conv1.weight"), parameter("conv1.bias")),
            self.conv2.conv_output(y, parameter("conv2.weight"), parameter("conv2.bias")),
        ]
    }

    /// Returns the outputs of the layers for the last batch: conv1, pool1, conv2, pool2, fc1, fc2 and the last layer's.
    /// Those that are not stored are recomputed.
    pub(crate) fn layer_outputs(&self) -> [Cow<'_, [T]>; 7] {
        let (net, batch) = (&self.shape, self.batch);
        let [conv1, conv2] = self.conv_outputs();
        let stored = [
            (&self.conv1.pooled.output, net.pool1().out_len()),
            (&self.conv2.pooled.output, net.pool2().out_len()),
            (&self.fc1.activated, net.fc1().outputs),
            (&self.fc2.activated, net.fc2().outputs),
            (&self.outputs, net.classes),
        ];
        let [pool1, pool2, fc1, fc2, outputs] =
            stored.map(|(layer, len)| Cow::Borrowed(&layer.value[..batch * len]));
        [conv1, pool1, conv2, pool2, fc1, fc2, outputs]
    }

    /// Returns all activations of the last batch. Those that are not stored are recomputed.
    pub fn activations(&self) -> Activations<'_, T> {
        let (net, batch) = (&self.shape, self.batch);
        let used = |len: usize| ..batch * len;
        let (image, pool1, pool2) =
            (used(net.image_len()), used(net.pool1().out_len()), used(net.pool2().out_len()));
        let (fc1, fc2, classes) = (used(net.fc1().outputs), used(net.fc2().outputs), used(net.classes));
        let layers = [
            self.conv1.conv_layer.as_ref(),
            self.conv2.conv_layer.as_ref(),
            Some(&self.fc1),
            Some(&self.fc2),
        ];
        let of_norms = |part: fn(&Variable<T>) -> &[T]| {
            let [Some(bn1), Some(bn2), Some(bn3), Some(bn4)] = layers.map(|layer| layer?.norm.as_ref())
            else {
                return None;
            };
            let (conv1, conv2) = (used(net.conv1().out_len()), used(net.conv2().out_len()));
            let [bn1, bn2, bn3, bn4] = [bn1, bn2, bn3, bn4].map(|norm| part(&norm.normalised));
            Some([&bn1[conv1], &bn2[conv2], &bn3[fc1], &bn4[fc2]])
        };
        let [conv1, conv2] = self.conv_outputs();
        Activations {
            x: &self.x[image],
            pool1: &self.conv1.pooled.output.value[pool1],
            argmax1: &self.conv1.pooled.argmax[pool1],
            pool2: &self.conv2.pooled.output.value[pool2],
            argmax2: &self.conv2.pooled.argmax[pool2],
            fc1: &self.fc1.activated.value[fc1],
            fc2: &self.fc2.activated.value[fc2],
            outputs: &self.outputs.value[classes],
            norms: of_norms(|variable| &variable.value),
            dconv1: self.conv1.conv_gradient(&conv1),
            dpool1: &self.conv1.pooled.output.gradient[pool1],
            dconv2: self.conv2.conv_gradient(&conv2),
            dpool2: &self.conv2.pooled.output.gradient[pool2],
            dfc1: &self.fc1.activated.gradient[fc1],
            dfc2: &self.fc2.activated.gradient[fc2],
            dlogits: &self.outputs.gradient[classes],
            dnorms: of_norms(|variable| &variable.gradient),
            conv1,
            conv2,
        }
    }
}
