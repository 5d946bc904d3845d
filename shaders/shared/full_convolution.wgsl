// The gradient at the input of a convolution that is followed by ReLU and max-pool, at one position of PLANES
// planes:
//   dx[c,i,j] = sum over k,p of g[k,p] * weight[k,c, i-r, j-s]
// This is the full convolution with the rotated filter (the paper's second proof), restricted to the maxima
// p, which are at (r, s). Only the maxima of REACH × REACH windows can reach a position.

// The maximum of a pool's window.
struct WindowMaximum {
    gradient: f32,
    // Its offset in `scratch`, and above WINDOW_BIT its row and column in the window (0 to 3, row by row).
    position: u32,
}

const WINDOW_BIT = 16u;

// The maxima of pool2, later those of the planes of pool1.
var<workgroup> maxima: array<WindowMaximum, max(FILTERS2 * AREA2, PLANES * AREA1)>;

// The number of windows per side that can reach a position: a window has two rows, a filter has SIZE.
const REACH = (SIZE + 1u) / 2u;
// Filters whose maxima are loaded together.
const FILTERS_AT_ONCE = 4u;
const_assert FILTERS2 % FILTERS_AT_ONCE == 0u;

// The gradient at the invocation's position, for each plane.
fn full_convolution(lane: u32) -> array<f32, PLANES> {
    let row = lane / SIDE1;
    let column = lane % SIDE1;
    var sums: array<f32, PLANES>;
    for (var n = 0u; n < REACH * REACH; n++) {
        // Unsigned subtraction wraps around, so a row or column before the first is out of range as well.
        let window_row = row / 2u - n / REACH;
        let window_column = column / 2u - n % REACH;
        if lane < AREA1 && window_row < SIDE2 && window_column < SIDE2 {
            for (var first = 0u; first < FILTERS2; first += FILTERS_AT_ONCE) {
                var found: array<WindowMaximum, FILTERS_AT_ONCE>;
                for (var k = 0u; k < FILTERS_AT_ONCE; k++) {
                    found[k] = maxima[(first + k) * AREA2 + window_row * SIDE2 + window_column];
                }
                for (var k = 0u; k < FILTERS_AT_ONCE; k++) {
                    let in_window = found[k].position >> WINDOW_BIT;
                    let u = row - 2u * window_row - (in_window >> 1u);
                    let v = column - 2u * window_column - (in_window & 1u);
                    let reaches = u < SIZE && v < SIZE;
                    let g = select(0.0, found[k].gradient, reaches);
                    let weight = (first + k) * PLANES * FILTER + select(0u, u * SIZE + v, reaches);
                    for (var c = 0u; c < PLANES; c++) {
                        sums[c] += g * scratch[weight + c * FILTER];
                    }
                }
            }
        }
    }
    return sums;
}
