// The gradient at the input of a convolution whose output goes through ReLU and a pool, for one place of PLANES
// planes:
//   dx[c,i,j] = sum over k,p of g[k,p] * weight[k,c, i-r, j-s]
// the full convolution with the rotated filter of the paper's second proof, over the maxima p alone, which stand at
// (r, s). Only of REACH × REACH windows can the maximum reach a place.

// The maximum of a pool's window.
struct Maximum {
    gradient: f32,
    // Where it stands in `maps`, and above WINDOW_BIT its row and column in the window.
    place: u32,
}

const WINDOW_BIT = 16u;

// Those of pool2, later those of the planes of pool1.
var<workgroup> maxima: array<Maximum, max(FILTERS2 * AREA2, PLANES * AREA1)>;

// Windows, a side, that can reach a place: a window's two rows and the filter's SIZE.
const REACH = (SIZE + 1u) / 2u;
// Filters whose maxima a lane looks at together.
const AT_ONCE = 4u;
const_assert FILTERS2 % AT_ONCE == 0u;

// The gradient at the lane's place, for each plane.
fn full_convolution(lane: u32) -> array<f32, PLANES> {
    let row = lane / SIDE1;
    let column = lane % SIDE1;
    var sums: array<f32, PLANES>;
    for (var n = 0u; n < REACH * REACH; n++) {
        // Unsigned subtraction wraps around, so what lies before the first is "too large" as well.
        let window_row = row / 2u - n / REACH;
        let window_column = column / 2u - n % REACH;
        if lane < AREA1 && window_row < SIDE2 && window_column < SIDE2 {
            for (var first = 0u; first < FILTERS2; first += AT_ONCE) {
                var found: array<Maximum, AT_ONCE>;
                for (var k = 0u; k < AT_ONCE; k++) {
                    found[k] = maxima[(first + k) * AREA2 + window_row * SIDE2 + window_column];
                }
                for (var k = 0u; k < AT_ONCE; k++) {
                    let in_window = found[k].place >> WINDOW_BIT;
                    let u = row - 2u * window_row - (in_window >> 1u);
                    let v = column - 2u * window_column - (in_window & 1u);
                    let reaches = u < SIZE && v < SIZE;
                    let g = select(0.0, found[k].gradient, reaches);
                    let at = (first + k) * PLANES * FILTER + select(0u, u * SIZE + v, reaches);
                    for (var c = 0u; c < PLANES; c++) {
                        sums[c] += g * maps[at + c * FILTER];
                    }
                }
            }
        }
    }
    return sums;
}
