//! The one table of kernels: for each, its shader, the constants written into it, and the grid it runs
//! over. Nothing here touches a device. [`fused`] has those that take several layers at once.

pub mod fused;

use super::grid::Grid;
use super::kernel_config::{KernelConfig, even_block};
use super::shader::{Choice, Constant, compose};
use crate::engine::{Clip, Loss, LossKind, Mode, Optimizer, Reduction, Rule};
use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Activation, ConvShape, DenseShape, NormShape, PoolShape, Tensor};

/// A kernel made ready for its shapes and places.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The shader's file and its entry point.
    pub shader: &'static str,
    /// For people and debuggers: "conv1 forward".
    pub label: String,
    /// What the shader imports where it has a choice.
    pub choices: Vec<Choice>,
    pub constants: Vec<(&'static str, Constant)>,
    pub grid: Grid,
    /// The only pass that it is for; none where it is for every pass that it is lined up in.
    pub pass: Option<Mode>,
}

impl Kernel {
    fn new(
        shader: &'static str,
        label: impl Into<String>,
        plan: &KernelConfig,
        grid: Grid,
        constants: Vec<(&'static str, Constant)>,
    ) -> Self {
        let mut all = vec![("WORKGROUP", plan.workgroup.into())];
        all.extend(constants);
        Self { shader, label: label.into(), choices: Vec::new(), constants: all, grid, pass: None }
    }

    fn choosing(mut self, choice: Choice) -> Self {
        self.choices.push(choice);
        self
    }

    pub(super) fn only_in(self, pass: Mode) -> Self {
        Self { pass: Some(pass), ..self }
    }

    /// Whether it is for a pass.
    pub fn runs_in(&self, pass: Mode) -> bool {
        self.pass.is_none_or(|only| only == pass)
    }

    /// The kernel's whole WGSL.
    pub fn source(&self) -> String {
        compose(&format!("kernels/{}", self.shader), &self.choices, &self.constants)
    }
}

/// Where a layer's tensors stand: `x`, `y` and their gradients in the workspace, `weight` and `bias` in
/// the arena of parameters and that of gradients.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places {
    pub x: usize,
    pub y: usize,
    pub dx: usize,
    pub dy: usize,
    pub weight: usize,
    pub bias: usize,
    pub argmax: usize,
}

/// Where a batch normalisation's tensors stand: `x`, `y` and their gradients in the workspace, and the batch's
/// statistics too; weight, bias and the running statistics in the arena of parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormPlaces {
    pub x: usize,
    pub y: usize,
    pub dx: usize,
    pub dy: usize,
    pub mean: usize,
    pub variance: usize,
    pub weight: usize,
    pub bias: usize,
    pub running_mean: usize,
    pub running_var: usize,
}

/// The length of a partial sum of the convolutions' gradients, and how many there are at most.
#[derive(Debug, Clone, Copy)]
pub struct Partials {
    pub len: usize,
    pub chunks: usize,
}

/// What a kernel that uses gradients makes them of. Those that are not whole are put into the arena as they
/// are made.
#[derive(Debug, Clone)]
pub enum GradientSource {
    /// They stand in the arena, whole.
    Arena,
    /// The convolutions' are partial sums.
    PartialSums(Partials),
    /// So they are, and those of dense layers at these places are still to be made of `x` and `dy`.
    OuterProducts(Partials, Vec<(DenseShape, Places)>),
}

impl GradientSource {
    fn partials(&self) -> Partials {
        match self {
            Self::Arena => Partials { len: 0, chunks: 0 },
            Self::PartialSums(partials) | Self::OuterProducts(partials, _) => *partials,
        }
    }

    /// The file of `shaders/variants/gradient/`.
    fn choice(&self) -> Choice {
        match self {
            Self::Arena | Self::PartialSums(_) => Choice::PARTIAL_SUMS,
            Self::OuterProducts(..) => Choice::OUTER_PRODUCTS,
        }
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        let Partials { len, chunks } = self.partials();
        let mut constants = vec![("CHUNKS", chunks.into()), ("PARTIAL_LEN", len.into())];
        if let Self::OuterProducts(_, layers) = self {
            let each =
                |of: fn(&(DenseShape, Places)) -> usize| Constant::Sizes(layers.iter().map(of).collect());
            constants.extend([
                ("DENSE_LAYERS", layers.len().into()),
                ("DENSE_INPUTS", each(|(shape, _)| shape.inputs)),
                ("DENSE_OUTPUTS", each(|(shape, _)| shape.outputs)),
                ("DENSE_WEIGHT", each(|(_, at)| at.weight)),
                ("DENSE_BIAS", each(|(_, at)| at.bias)),
                ("DENSE_X", each(|(_, at)| at.x)),
                ("DENSE_DY", each(|(_, at)| at.dy)),
            ]);
        }
        constants
    }
}

/// `shaders/kernels/gather.wgsl` for images of so many channels.
pub fn gather(channels: usize, augmented: bool, plan: &KernelConfig, x: usize) -> Kernel {
    let plan = &plan.mapping();
    let constants = vec![("CHANNELS", channels.into()), ("SIDE", IMAGE_SIDE.into()), ("X", x.into())];
    let grid = Grid::per_image(channels * IMAGE_SIDE * IMAGE_SIDE, plan);
    let label = if augmented { "gather, augmented" } else { "gather" };
    Kernel::new("gather", label, plan, grid, constants).choosing(Choice::input(augmented))
}

/// `shaders/kernels/conv_forward.wgsl`.
pub fn conv_forward(
    layer: &str,
    shape: &ConvShape,
    activation: Activation,
    plan: &KernelConfig,
    at: &Places,
) -> Kernel {
    let filters = even_block(shape.filters, plan.conv_filters);
    let columns = even_block(shape.out_width(), plan.conv_columns);
    let blocks = shape.filters.div_ceil(filters) * shape.out_height() * shape.out_width().div_ceil(columns);
    let mut constants = conv_constants(shape);
    constants.extend([
        ("BLOCK_FILTERS", filters.into()),
        ("BLOCK_COLUMNS", columns.into()),
        ("X", at.x.into()),
        ("Y", at.y.into()),
        ("PARAMETER_VEC4S", parameter_vec4s(shape, at).into()),
        ("WEIGHT", at.weight.into()),
        ("BIAS", at.bias.into()),
    ]);
    let grid = Grid::per_image(blocks, plan);
    // Pairs are loaded and stored whole.
    let aligned = all_multiples(
        2,
        &[at.x, at.y, shape.width, shape.out_width(), columns, columns * shape.stride, shape.padding],
    );
    Kernel::new("conv_forward", format!("{layer} forward"), plan, grid, constants)
        .choosing(Choice::activation(activation))
        .choosing(Choice::parameters_in(plan.filters))
        .choosing(Choice::workspace_vec2(aligned))
}

/// `shaders/kernels/conv_backward_input.wgsl`.
pub fn conv_backward_input(layer: &str, shape: &ConvShape, plan: &KernelConfig, at: &Places) -> Kernel {
    let channels = even_block(shape.channels, plan.conv_filters);
    let columns = even_block(shape.width, plan.conv_columns);
    let blocks = shape.channels.div_ceil(channels) * shape.height * shape.width.div_ceil(columns);
    let mut constants = conv_constants(shape);
    constants.extend([
        ("BLOCK_CHANNELS", channels.into()),
        ("BLOCK_COLUMNS", columns.into()),
        ("DX", at.dx.into()),
        ("DY", at.dy.into()),
        ("PARAMETER_VEC4S", parameter_vec4s(shape, at).into()),
        ("WEIGHT", at.weight.into()),
    ]);
    let grid = Grid::per_image(blocks, plan);
    let first_column = shape.size - 1 + shape.padding;
    let aligned = all_multiples(2, &[at.dx, at.dy, shape.width, shape.out_width(), columns, first_column]);
    Kernel::new("conv_backward_input", format!("{layer} backward, input"), plan, grid, constants)
        .choosing(Choice::parameters_in(plan.filters))
        .choosing(Choice::workspace_vec2(aligned))
}

/// `shaders/kernels/conv_backward_weight.wgsl`.
pub fn conv_backward_weight(
    layer: &str,
    shape: &ConvShape,
    plan: &KernelConfig,
    at: &Places,
    partials: &Partials,
) -> Kernel {
    let filters = even_block(shape.filters, plan.weight_filters);
    let columns = even_block(shape.out_width(), plan.weight_columns);
    let rows = even_block(shape.size, plan.weight_rows);
    let blocks = shape.filters.div_ceil(filters) * shape.channels * shape.size.div_ceil(rows);
    let mut constants = conv_constants(shape);
    constants.extend([
        ("BLOCK_FILTERS", filters.into()),
        ("BLOCK_ROWS", rows.into()),
        ("BLOCK_COLUMNS", columns.into()),
        ("CHUNKS", partials.chunks.into()),
        ("X", at.x.into()),
        ("DY", at.dy.into()),
        ("PARTIAL_LEN", partials.len.into()),
        ("WEIGHT", at.weight.into()),
        ("BIAS", at.bias.into()),
    ]);
    let grid = Grid::per_chunk(blocks, partials.chunks, plan);
    let places = [at.x, at.dy, shape.width, shape.out_width(), columns, shape.padding];
    Kernel::new("conv_backward_weight", format!("{layer} backward, weight"), plan, grid, constants)
        .choosing(Choice::workspace_vec2(all_multiples(2, &places)))
}

/// `shaders/kernels/max_pool.wgsl`.
pub fn max_pool(layer: &str, shape: &PoolShape, plan: &KernelConfig, at: &Places) -> Kernel {
    let plan = &plan.mapping();
    let mut constants = pool_constants(shape);
    constants.extend([("X", at.x.into()), ("Y", at.y.into()), ("ARGMAX", at.argmax.into())]);
    let grid = Grid::per_image(shape.out_len(), plan);
    Kernel::new("max_pool", format!("{layer} forward"), plan, grid, constants)
}

/// `shaders/kernels/max_pool_backward.wgsl`; `activation` is the one before the pool.
pub fn max_pool_backward(
    layer: &str,
    shape: &PoolShape,
    activation: Activation,
    plan: &KernelConfig,
    at: &Places,
) -> Kernel {
    let plan = &plan.mapping();
    let mut constants = pool_constants(shape);
    constants.extend([
        ("DX", at.dx.into()),
        ("Y", at.y.into()),
        ("DY", at.dy.into()),
        ("ARGMAX", at.argmax.into()),
    ]);
    let tiles = shape.channels * shape.height.div_ceil(shape.stride) * shape.width.div_ceil(shape.stride);
    let grid = Grid::per_image(tiles, plan);
    Kernel::new("max_pool_backward", format!("{layer} backward"), plan, grid, constants)
        .choosing(Choice::activation(activation))
}

/// `shaders/kernels/dense_forward.wgsl`.
pub fn dense_forward(
    layer: &str,
    shape: &DenseShape,
    activation: Activation,
    plan: &KernelConfig,
    at: &Places,
) -> Kernel {
    // Outputs are stored four at a time.
    let outputs = even_block(shape.outputs, plan.dense_columns).next_multiple_of(4);
    let grid = Grid { images: plan.dense_rows, ..Grid::per_image(shape.outputs.div_ceil(outputs), plan) };
    let constants = vec![
        ("INPUTS", shape.inputs.into()),
        ("OUTPUTS", shape.outputs.into()),
        ("BLOCK_IMAGES", plan.dense_rows.into()),
        ("BLOCK_OUTPUTS", outputs.into()),
        ("X", at.x.into()),
        ("Y", at.y.into()),
        ("WEIGHT", at.weight.into()),
        ("BIAS", at.bias.into()),
    ];
    let aligned = all_multiples(4, &[shape.inputs, shape.outputs, at.x, at.y]);
    Kernel::new("dense_forward", format!("{layer} forward"), plan, grid, constants)
        .choosing(Choice::activation(activation))
        .choosing(Choice::parameters_vec4(all_multiples(4, &[shape.inputs, at.weight])))
        .choosing(Choice::workspace_vec4(aligned))
}

/// `shaders/kernels/dense_backward.wgsl`; `activation` is the one before the layer.
pub fn dense_backward(
    layer: &str,
    shape: &DenseShape,
    activation: Activation,
    plan: &KernelConfig,
    at: &Places,
) -> Kernel {
    let (rows, columns) = (plan.dense_rows, plan.dense_columns);
    let weight_blocks = shape.inputs.div_ceil(columns) * shape.outputs.div_ceil(rows);
    let grid = Grid {
        fixed: weight_blocks.div_ceil(plan.workgroup),
        images: rows,
        ..Grid::per_image(shape.inputs.div_ceil(columns), plan)
    };
    let constants = vec![
        ("INPUTS", shape.inputs.into()),
        ("OUTPUTS", shape.outputs.into()),
        ("BLOCK_ROWS", rows.into()),
        ("BLOCK_INPUTS", columns.into()),
        ("X", at.x.into()),
        ("DX", at.dx.into()),
        ("DY", at.dy.into()),
        ("WEIGHT", at.weight.into()),
        ("BIAS", at.bias.into()),
    ];
    let aligned = all_multiples(4, &[shape.inputs, shape.outputs, at.x, at.dx, at.dy]);
    Kernel::new("dense_backward", format!("{layer} backward"), plan, grid, constants)
        .choosing(Choice::activation(activation))
        .choosing(Choice::parameters_vec4(all_multiples(4, &[shape.inputs, at.weight])))
        .choosing(Choice::workspace_vec4(aligned))
}

/// `shaders/kernels/dense_loss.wgsl`. `y` receives the log-probabilities if the loss is computed from them, else the
/// logits; `dy` receives the gradient at the logits.
pub fn dense_loss(layer: &str, shape: &DenseShape, loss: &Loss, plan: &KernelConfig, at: &Places) -> Kernel {
    let divisor = match loss.reduction {
        Reduction::Mean => shape.outputs,
        Reduction::Sum => 1,
    };
    let constants = vec![
        ("INPUTS", shape.inputs.into()),
        ("CLASSES", shape.outputs.into()),
        // A workgroup takes one image.
        ("LOGITS", shape.outputs.into()),
        ("DIVISOR", divisor.into()),
        ("X", at.x.into()),
        ("OUTPUTS", at.y.into()),
        ("DZ", at.dy.into()),
        ("WEIGHT", at.weight.into()),
        ("BIAS", at.bias.into()),
    ];
    let name = match loss.kind {
        LossKind::Nll | LossKind::CrossEntropy => "log-softmax + NLL",
        LossKind::Mse => "MSE",
        LossKind::RawNll => "raw NLL",
    };
    let grid = Grid::workgroup_per_image(plan);
    Kernel::new("dense_loss", format!("{layer} + {name}"), plan, grid, constants)
        .choosing(Choice::loss(loss.kind))
}

/// `shaders/kernels/log_softmax.wgsl` over a layer's `outputs`, at `y`.
pub fn log_softmax(layer: &str, outputs: usize, plan: &KernelConfig, at: &Places) -> Kernel {
    let constants = vec![("OUTPUTS", outputs.into()), ("Y", at.y.into())];
    let grid = Grid::workgroup_per_image(plan);
    Kernel::new("log_softmax", format!("{layer} log-softmax"), plan, grid, constants)
}

/// `shaders/kernels/log_softmax_backward.wgsl` over a layer's `outputs`, at `y` and `dy`.
pub fn log_softmax_backward(layer: &str, outputs: usize, plan: &KernelConfig, at: &Places) -> Kernel {
    let constants = vec![("OUTPUTS", outputs.into()), ("Y", at.y.into()), ("DY", at.dy.into())];
    let grid = Grid::workgroup_per_image(plan);
    let label = format!("{layer} log-softmax backward");
    Kernel::new("log_softmax_backward", label, plan, grid, constants)
}

/// `shaders/kernels/batch_norm_statistics.wgsl` in an arena whose tensors end at `ends`, in training alone.
pub fn batch_norm_statistics(
    layer: &str,
    shape: &NormShape,
    ends: Vec<usize>,
    plan: &KernelConfig,
    at: &NormPlaces,
) -> Kernel {
    let mut constants = norm_constants(shape, at);
    constants.extend(tensor_constants(ends));
    constants.extend([
        ("MOMENTUM", (NormShape::MOMENTUM as f32).into()),
        ("RUNNING_MEAN", at.running_mean.into()),
        ("RUNNING_VAR", at.running_var.into()),
    ]);
    let grid = Grid::workgroups_per_batch(shape.channels);
    Kernel::new("batch_norm_statistics", format!("{layer} statistics"), &plan.summing(), grid, constants)
        .only_in(Mode::Train)
}

/// `shaders/kernels/batch_norm_forward.wgsl`, as one of the passes has it.
pub fn batch_norm_forward(
    layer: &str,
    shape: &NormShape,
    pass: Mode,
    plan: &KernelConfig,
    at: &NormPlaces,
) -> Kernel {
    let plan = &plan.mapping();
    let running = pass == Mode::Evaluate;
    let at = match running {
        true => NormPlaces { mean: at.running_mean, variance: at.running_var, ..*at },
        false => *at,
    };
    let mut constants = norm_constants(shape, &at);
    constants.extend([("RUNNING", running.into()), ("Y", at.y.into())]);
    let label = if running { "forward, running" } else { "forward" };
    let grid = Grid::per_image(shape.image_len(), plan);
    Kernel::new("batch_norm_forward", format!("{layer} {label}"), plan, grid, constants).only_in(pass)
}

/// `shaders/kernels/batch_norm_backward_weight.wgsl`.
pub fn batch_norm_backward_weight(
    layer: &str,
    shape: &NormShape,
    plan: &KernelConfig,
    at: &NormPlaces,
) -> Kernel {
    let mut constants = norm_constants(shape, at);
    constants.push(("DY", at.dy.into()));
    let (label, grid) = (format!("{layer} backward, weight"), Grid::workgroups_per_batch(shape.channels));
    Kernel::new("batch_norm_backward_weight", label, &plan.summing(), grid, constants)
}

/// `shaders/kernels/batch_norm_backward_input.wgsl`; `activation` is the one before the normalisation.
pub fn batch_norm_backward_input(
    layer: &str,
    shape: &NormShape,
    activation: Activation,
    plan: &KernelConfig,
    at: &NormPlaces,
) -> Kernel {
    let plan = &plan.mapping();
    let mut constants = norm_constants(shape, at);
    constants.extend([("DX", at.dx.into()), ("DY", at.dy.into())]);
    let (label, grid) = (format!("{layer} backward, input"), Grid::per_image(shape.image_len(), plan));
    Kernel::new("batch_norm_backward_input", label, plan, grid, constants)
        .choosing(Choice::activation(activation))
}

/// `shaders/kernels/accumulate.wgsl` over an arena of these tensors.
pub fn accumulate(tensors: &[Tensor], plan: &KernelConfig, gradients: &GradientSource) -> Kernel {
    let plan = &plan.mapping();
    let (grid, constants) =
        (Grid::per_batch(arena_len(tensors), plan), arena_constants(tensors, plan, gradients));
    Kernel::new("accumulate", "accumulate", plan, grid, constants).choosing(gradients.choice())
}

/// `shaders/kernels/gradient_norm.wgsl` over an arena of these tensors.
pub fn gradient_norm(tensors: &[Tensor], plan: &KernelConfig, gradients: &GradientSource) -> Kernel {
    let grid = Grid::workgroups_per_batch(tensors.len());
    let constants = arena_constants(tensors, plan, gradients);
    Kernel::new("gradient_norm", "norms of gradients", &plan.summing(), grid, constants)
        .choosing(gradients.choice())
}

/// The optimizer's `shaders/kernels/adam.wgsl` or `shaders/kernels/sgd.wgsl` over an arena of these tensors.
pub fn update(
    optimizer: &Optimizer,
    tensors: &[Tensor],
    plan: &KernelConfig,
    gradients: &GradientSource,
) -> Kernel {
    let plan = &plan.mapping();
    let clip = &optimizer.clip;
    // In the shaders 0 is no bound.
    let bound = |bound: Option<f32>| bound.unwrap_or(0.0);
    let mut constants = arena_constants(tensors, plan, gradients);
    constants.extend([
        ("CLIPS", (*clip != Clip::default()).into()),
        ("CLIP_TENSOR_NORM", bound(clip.tensor_norm).into()),
        ("CLIP_NORM", bound(clip.norm).into()),
        ("CLIP_VALUES", tensors.iter().map(|t| bound(clip.of_values(t.kind))).collect::<Vec<_>>().into()),
        ("BOUND", bound(optimizer.bound).into()),
    ]);
    let name = match optimizer.rule {
        Rule::Adam(adam) => {
            constants.extend([
                ("BETA1", adam.beta1.into()),
                ("BETA2", adam.beta2.into()),
                ("EPS", adam.eps.into()),
            ]);
            "adam"
        }
        Rule::Sgd(sgd) => {
            constants.extend([("MOMENTUM", sgd.momentum.into()), ("NESTEROV", sgd.nesterov.into())]);
            "sgd"
        }
    };
    let grid = Grid::per_batch(arena_len(tensors), plan);
    Kernel::new(name, name, plan, grid, constants).choosing(gradients.choice())
}

fn norm_constants(shape: &NormShape, at: &NormPlaces) -> Vec<(&'static str, Constant)> {
    vec![
        ("CHANNELS", shape.channels.into()),
        ("POSITIONS", shape.positions.into()),
        ("EPS", (NormShape::EPS as f32).into()),
        ("X", at.x.into()),
        ("MEAN", at.mean.into()),
        ("VARIANCE", at.variance.into()),
        ("WEIGHT", at.weight.into()),
        ("BIAS", at.bias.into()),
    ]
}

fn arena_len(tensors: &[Tensor]) -> usize {
    tensors.last().map_or(0, |tensor| tensor.range().end)
}

fn arena_constants(
    tensors: &[Tensor],
    plan: &KernelConfig,
    gradients: &GradientSource,
) -> Vec<(&'static str, Constant)> {
    let mut constants = tensor_constants(tensors.iter().map(|tensor| tensor.range().end).collect());
    constants.push(("PARAMETERS", arena_len(tensors).into()));
    constants.push(("SUM_AHEAD", plan.sum_ahead.into()));
    constants.extend(gradients.constants());
    constants
}

fn tensor_constants(ends: Vec<usize>) -> Vec<(&'static str, Constant)> {
    vec![("TENSORS", ends.len().into()), ("TENSOR_ENDS", ends.into())]
}

fn conv_constants(shape: &ConvShape) -> Vec<(&'static str, Constant)> {
    vec![
        ("CHANNELS", shape.channels.into()),
        ("HEIGHT", shape.height.into()),
        ("WIDTH", shape.width.into()),
        ("FILTERS", shape.filters.into()),
        ("SIZE", shape.size.into()),
        ("STRIDE", shape.stride.into()),
        ("PADDING", shape.padding.into()),
        ("OUT_HEIGHT", shape.out_height().into()),
        ("OUT_WIDTH", shape.out_width().into()),
    ]
}

fn all_multiples(of: usize, counts: &[usize]) -> bool {
    counts.iter().all(|count| count.is_multiple_of(of))
}

/// vec4s of the parameter arena up to where a convolution's weight and bias end.
fn parameter_vec4s(shape: &ConvShape, at: &Places) -> usize {
    let weights = shape.filters * shape.channels * shape.size * shape.size;
    (at.weight + weights).max(at.bias + shape.filters).div_ceil(4)
}

fn pool_constants(shape: &PoolShape) -> Vec<(&'static str, Constant)> {
    vec![
        ("CHANNELS", shape.channels.into()),
        ("HEIGHT", shape.height.into()),
        ("WIDTH", shape.width.into()),
        ("WINDOW", shape.window.into()),
        ("STRIDE", shape.stride.into()),
        ("OUT_HEIGHT", shape.out_height().into()),
        ("OUT_WIDTH", shape.out_width().into()),
    ]
}
