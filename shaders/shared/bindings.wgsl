// The binding number of every buffer, all in group 0. A shader variable has the name of its buffer.
//
// B is the number of images in the batch, N the number of images on the device. In a population the members' parts
// of a buffer follow each other: see variants/member. Images and labels belong to all members.

// The batch's record (uniform, dynamic offset): see shared/batch.wgsl.
const BINDING_BATCH = 0u;
// Images as bytes, four to a word, [N, image_words].
const BINDING_IMAGES = 1u;
// The index of the image at each position of the order in which batches take them.
const BINDING_ORDER = 2u;
// The class of each image, [N].
const BINDING_LABELS = 3u;
// All parameters in one arena; batch normalisation's running statistics come last.
const BINDING_PARAMETERS = 4u;
// The gradient of each trained parameter, in the arena's layout.
const BINDING_GRADIENTS = 5u;
// Adam's first moment, or the momentum buffer of gradient descent, in the arena's layout.
const BINDING_FIRST_MOMENT = 6u;
// Adam's second moment, in the arena's layout.
const BINDING_SECOND_MOMENT = 7u;
// Activations, argmax indices, gradients of activations, and the batch's statistics.
const BINDING_WORKSPACE = 8u;
// Loss and predicted class at each position of the order: see shared/outcomes.wgsl.
const BINDING_OUTCOMES = 9u;
// For each tensor, the first step with a value that is not finite: see shared/faults.wgsl.
const BINDING_FAULTS = 10u;
// The 2-norm of each tensor's gradient, [TENSORS].
const BINDING_NORMS = 11u;
// The sum of the gradients of a step's micro-batches so far, in the arena's layout.
const BINDING_ACCUMULATED = 12u;
// The affine map of each augmented image: see shared/views.wgsl.
const BINDING_VIEWS = 13u;
// Partial sums of the convolutions' gradients, [CHUNKS, PARTIAL_LEN]: see shared/partials.wgsl.
const BINDING_PARTIALS = 14u;
// The weight of each class in the loss, [CLASSES].
const BINDING_CLASS_WEIGHTS = 15u;

// The kernels in ceilings/ have a bind group of their own.
const BINDING_CEILING_INPUT = 0u;
const BINDING_CEILING_OUTPUT = 1u;
