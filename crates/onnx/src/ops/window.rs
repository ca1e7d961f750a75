//! Convolution and pooling, by the kernels.
//!
//! ONNX has the channels outermost, `[N,C,…]`, the kernels innermost, `[P,C]`. One spatial axis is an image of height 1.

use super::Results;
use crate::call::Call;
use crate::error::{OpError, problem};
use refrain_data::array::{Array, Data, Dtype};
use refrain_kernels::Precision;
use refrain_kernels::conv::{self, Conv, Images, Pool, Pooling, Window};

/// Windows over all spatial axes, with what ONNX says of them.
pub(super) struct Windows {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    pub pads: Vec<[usize; 2]>,
}

impl Windows {
    /// The attributes of a node, for `sizes` of the spatial axes.
    pub fn read(call: &Call, kernel: &[usize], sizes: &[usize]) -> Result<Self, OpError> {
        let rank = sizes.len();
        let dilations = numbers(call, "dilations", rank)?.unwrap_or_else(|| vec![1; rank]);
        let strides = numbers(call, "strides", rank)?.unwrap_or_else(|| vec![1; rank]);
        if let Some(said) = numbers(call, "kernel_shape", rank)?
            && said != kernel
        {
            let text = format!("is {said:?} where {kernel:?} is needed");
            return Err(problem("kernel_shape", &text));
        }
        if [kernel, &strides, &dilations].concat().contains(&0) {
            let text = format!(
                "kernel {kernel:?}, strides {strides:?} and dilations {dilations:?} must all be 1 or more"
            );
            return Err(OpError::Other(text));
        }
        let mut windows = Self {
            kernel: kernel.to_vec(),
            strides,
            dilations,
            pads: vec![[0; 2]; rank],
        };
        windows.pads = windows.padding(call, sizes)?;
        Ok(windows)
    }

    fn padding(&self, call: &Call, sizes: &[usize]) -> Result<Vec<[usize; 2]>, OpError> {
        let rank = sizes.len();
        let given = numbers(call, "pads", 2 * rank)?;
        let lower = match call.attributes.text("auto_pad")?.unwrap_or("NOTSET") {
            "NOTSET" => {
                let pads = given.unwrap_or_else(|| vec![0; 2 * rank]);
                return Ok((0..rank).map(|d| [pads[d], pads[rank + d]]).collect());
            }
            "VALID" => return Ok(vec![[0; 2]; rank]),
            "SAME_UPPER" => false,
            "SAME_LOWER" => true,
            other => return Err(problem("auto_pad", &format!("is \"{other}\""))),
        };
        // As many windows as a stride gives, and padding for the last one.
        let pad = |d: usize| {
            let windows = sizes[d].div_ceil(self.strides[d]);
            let reach = windows.saturating_sub(1).saturating_mul(self.strides[d]);
            let all = reach
                .saturating_add(self.extent(d))
                .saturating_sub(sizes[d]);
            let (less, more) = (all / 2, all - all / 2);
            if lower { [more, less] } else { [less, more] }
        };
        Ok((0..rank).map(pad).collect())
    }

    /// Elements from the first to the last tap, both included.
    pub fn extent(&self, d: usize) -> usize {
        let steps = self.kernel[d] - 1;
        steps.saturating_mul(self.dilations[d]).saturating_add(1)
    }

    fn padded(&self, d: usize, size: usize) -> usize {
        let [before, behind] = self.pads[d];
        size.saturating_add(before).saturating_add(behind)
    }

    /// Number of windows on an axis. With `ceil`, one more may reach past the end, if it begins before it.
    pub fn count(&self, d: usize, size: usize, ceil: bool) -> usize {
        let Some(left) = self.padded(d, size).checked_sub(self.extent(d)) else {
            return 0;
        };
        let stride = self.strides[d];
        let floor = left / stride + 1;
        let begins_inside = floor.saturating_mul(stride) < size.saturating_add(self.pads[d][0]);
        match ceil && !left.is_multiple_of(stride) && begins_inside {
            true => floor + 1,
            false => floor,
        }
    }

    /// As the kernels take them: one or two spatial axes.
    fn window(&self) -> Window {
        let two = |list: &[usize], other: usize| match list {
            [one] => [other, *one],
            [first, second, ..] => [*first, *second],
            [] => [other; 2],
        };
        let pads = match self.pads[..] {
            [one] => [[0; 2], one],
            [first, second, ..] => [first, second],
            [] => [[0; 2]; 2],
        };
        Window {
            kernel: two(&self.kernel, 1),
            stride: two(&self.strides, 1),
            dilation: two(&self.dilations, 1),
            padding: pads,
        }
    }
}

/// A list of sizes, as many as there must be.
fn numbers(call: &Call, name: &str, count: usize) -> Result<Option<Vec<usize>>, OpError> {
    let Some(given) = call.attributes.ints(name)? else {
        return Ok(None);
    };
    let sizes: Option<Vec<usize>> = given.iter().map(|&i| usize::try_from(i).ok()).collect();
    match sizes {
        Some(sizes) if sizes.len() == count => Ok(Some(sizes)),
        _ => {
            let text = format!("is {given:?} where {count} numbers of 0 or more are needed");
            Err(problem(name, &text))
        }
    }
}

/// Height and width of one or two spatial axes.
fn image(sizes: &[usize]) -> Result<[usize; 2], OpError> {
    match sizes {
        [width] => Ok([1, *width]),
        [height, width] => Ok([*height, *width]),
        _ => Err(OpError::Unsupported(format!(
            "an operator over {} spatial axes",
            sizes.len()
        ))),
    }
}

/// `[N,rows,columns]` with the last two axes swapped.
pub(super) fn turned<T: Copy>(x: &[T], n: usize, [rows, columns]: [usize; 2]) -> Vec<T> {
    /// Columns that are walked together, so that lines of memory are used whole.
    const BLOCK: usize = 16;
    if rows == 1 || columns == 1 {
        return x.to_vec();
    }
    let mut y = Vec::with_capacity(x.len());
    let size = rows * columns;
    for one in (0..n).map(|i| &x[i * size..(i + 1) * size]) {
        let start = y.len();
        y.extend_from_slice(one);
        let out = &mut y[start..];
        for first in (0..columns).step_by(BLOCK) {
            let last = (first + BLOCK).min(columns);
            for row in 0..rows {
                for column in first..last {
                    out[column * rows + row] = one[row * columns + column];
                }
            }
        }
    }
    y
}

/// Sizes of a convolution.
pub(super) struct Sizes<'a> {
    pub n: usize,
    pub channels: usize,
    pub spatial: &'a [usize],
    /// Rows of the weights: results of a convolution, channels of a transposed one.
    pub rows: usize,
    /// Channels in a group of the other side.
    pub in_group: usize,
    pub kernel: &'a [usize],
    pub groups: usize,
}

impl<'a> Sizes<'a> {
    pub fn read(call: &Call, x: &'a [usize], w: &'a [usize]) -> Result<Self, OpError> {
        let wrong = || OpError::Shapes {
            left: x.to_vec(),
            right: w.to_vec(),
            why: ", X [N,C,…] and W [M,C,…] of equal rank are needed",
        };
        let ([n, channels, spatial @ ..], [rows, in_group, kernel @ ..]) = (x, w) else {
            return Err(wrong());
        };
        if spatial.len() != kernel.len() || spatial.is_empty() {
            return Err(wrong());
        }
        let groups = call.attributes.int("group")?.unwrap_or(1);
        let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0);
        let groups = groups.ok_or_else(|| problem("group", "is not 1 or more"))?;
        Ok(Self {
            n: *n,
            channels: *channels,
            spatial,
            rows: *rows,
            in_group: *in_group,
            kernel,
            groups,
        })
    }
}

/// `Conv`
pub(super) fn conv(call: &Call) -> Results {
    let (x_shape, x) = call.floats(0, "X")?;
    let (w_shape, w) = call.floats(1, "W")?;
    let sizes = Sizes::read(call, x_shape, w_shape)?;
    let bias = bias(call, sizes.rows)?;
    if sizes.in_group.saturating_mul(sizes.groups) != sizes.channels {
        return Err(OpError::Shapes {
            left: x_shape.to_vec(),
            right: w_shape.to_vec(),
            why: ", the channels of X must be those of W times the groups",
        });
    }
    let windows = Windows::read(call, sizes.kernel, sizes.spatial)?;
    let counts = |d: usize| windows.count(d, sizes.spatial[d], false);
    let result: Vec<usize> = [sizes.n, sizes.rows]
        .into_iter()
        .chain((0..sizes.spatial.len()).map(counts))
        .collect();
    call.check(Dtype::F32, &result)?;
    let [height, width] = image(sizes.spatial)?;
    let pixels = height.saturating_mul(width);
    let x = turned(x, sizes.n, [sizes.channels, pixels]);
    let y = conv::forward(&Conv {
        images: Images {
            height,
            widths: &vec![width; sizes.n],
            channels: sizes.channels,
        },
        window: windows.window(),
        groups: sizes.groups,
        outputs: sizes.rows,
        relu: false,
        precision: Precision::F32,
        x: &x,
        w,
        b: bias,
    })?;
    let pixels = result[2..].iter().product();
    let y = turned(&y, sizes.n, [pixels, sizes.rows]);
    Ok(vec![Array::floats(result, y)?])
}

fn bias<'a>(call: &Call<'a>, count: usize) -> Result<Option<&'a [f32]>, OpError> {
    match call.optional(2) {
        None => Ok(None),
        Some(_) => match call.floats(2, "B")? {
            (shape, b) if shape == [count] => Ok(Some(b)),
            (shape, _) => Err(OpError::Shape {
                what: "B",
                expected: vec![count],
                got: shape.to_vec(),
            }),
        },
    }
}

/// `ConvTranspose`: the gradient of a convolution's input.
pub(super) fn conv_transpose(call: &Call) -> Results {
    let (x_shape, x) = call.floats(0, "X")?;
    let (w_shape, w) = call.floats(1, "W")?;
    let sizes = Sizes::read(call, x_shape, w_shape)?;
    let outputs = sizes.in_group.saturating_mul(sizes.groups);
    let bias = bias(call, outputs)?;
    if sizes.rows != sizes.channels {
        return Err(OpError::Shapes {
            left: x_shape.to_vec(),
            right: w_shape.to_vec(),
            why: ", W must begin with the channels of X",
        });
    }
    let (windows, spatial) = transposed_windows(call, &sizes)?;
    let result = [&[sizes.n, outputs], &spatial[..]].concat();
    let count = call.check(Dtype::F32, &result)?;
    let [height, width] = image(&spatial)?;
    let [x_height, x_width] = image(sizes.spatial)?;
    let d_y = turned(
        x,
        sizes.n,
        [sizes.channels, x_height.saturating_mul(x_width)],
    );
    let zeros = vec![0.0; count];
    let gradients = conv::backward(
        &Conv {
            images: Images {
                height,
                widths: &vec![width; sizes.n],
                channels: outputs,
            },
            window: windows.window(),
            groups: sizes.groups,
            outputs: sizes.rows,
            relu: false,
            precision: Precision::F32,
            x: &zeros,
            w,
            b: None,
        },
        &[],
        &d_y,
        conv::Wanted {
            x: true,
            weights: false,
        },
    )?;
    let mut y = gradients.d_x.unwrap_or(zeros);
    if let Some(bias) = bias.filter(|bias| !bias.is_empty()) {
        for pixel in y.chunks_exact_mut(outputs) {
            pixel.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }
    let y = turned(&y, sizes.n, [height.saturating_mul(width), outputs]);
    Ok(vec![Array::floats(result, y)?])
}

/// The windows of the convolution whose gradient is wanted, and the sizes of its images.
fn transposed_windows(call: &Call, sizes: &Sizes) -> Result<(Windows, Vec<usize>), OpError> {
    let rank = sizes.spatial.len();
    let mut windows = Windows::read(call, sizes.kernel, sizes.spatial)?;
    let more = numbers(call, "output_padding", rank)?.unwrap_or_else(|| vec![0; rank]);
    let wanted = numbers(call, "output_shape", rank)?;
    let auto = call.attributes.text("auto_pad")?.unwrap_or("NOTSET");
    let mut spatial = Vec::with_capacity(rank);
    for d in 0..rank {
        let steps = sizes.spatial[d].saturating_sub(1);
        let full = steps
            .saturating_mul(windows.strides[d])
            .saturating_add(windows.extent(d))
            .saturating_add(more[d]);
        let target = match (&wanted, auto) {
            (Some(wanted), _) => Some(wanted[d]),
            (None, "SAME_UPPER" | "SAME_LOWER") => {
                Some(sizes.spatial[d].saturating_mul(windows.strides[d]))
            }
            _ => None,
        };
        if let Some(target) = target {
            let all = full.saturating_sub(target);
            let (less, rest) = (all / 2, all - all / 2);
            windows.pads[d] = match auto {
                "SAME_UPPER" => [less, rest],
                _ => [rest, less],
            };
        }
        let [before, behind] = windows.pads[d];
        let size = full.saturating_sub(before).saturating_sub(behind);
        let size = target.map_or(size, |target| size.max(target));
        // The gradient is that of an image whose windows are the pixels of X.
        if sizes.spatial[d] > 0 && windows.count(d, size, false) != sizes.spatial[d] {
            windows.pads[d][1] = windows.pads[d][1].saturating_sub(more[d].min(windows.pads[d][1]));
            if windows.count(d, size, false) != sizes.spatial[d] {
                return Err(OpError::Unsupported(format!(
                    "an output of {size} for {} pixels",
                    sizes.spatial[d]
                )));
            }
        }
        spatial.push(size);
    }
    Ok((windows, spatial))
}

/// `MaxPool`; with a second output, where each largest element stands.
pub(super) fn max_pool(call: &Call) -> Results {
    pool(call, Pooling::Max)
}

/// `AveragePool`
pub(super) fn average_pool(call: &Call) -> Results {
    let padding = call.attributes.switch("count_include_pad", false)?;
    pool(call, Pooling::Average { padding })
}

fn pool(call: &Call, pooling: Pooling) -> Results {
    let given = call.input(0, "X")?;
    // Integers of 8 bits are exact as floats.
    let small = matches!(given.dtype(), Dtype::I8 | Dtype::U8);
    let wide;
    let (shape, x) = match small {
        true => {
            wide = crate::cast::to(given, Dtype::F32, call.limit)?;
            crate::call::floats(&wide, "X")?
        }
        false => call.floats(0, "X")?,
    };
    let [n, channels, spatial @ ..] = shape else {
        return Err(OpError::Other(format!(
            "X has shape {shape:?} where [N,C,…] is needed"
        )));
    };
    let kernel = numbers(call, "kernel_shape", spatial.len())?;
    let kernel = kernel.ok_or_else(|| problem("kernel_shape", "is missing"))?;
    let windows = Windows::read(call, &kernel, spatial)?;
    let ceil = call.attributes.switch("ceil_mode", false)?;
    let same = call
        .attributes
        .text("auto_pad")?
        .unwrap_or("NOTSET")
        .starts_with("SAME");
    let counts = |d: usize| match same {
        true => spatial[d].div_ceil(windows.strides[d]),
        false => windows.count(d, spatial[d], ceil),
    };
    let counts: Vec<usize> = (0..spatial.len()).map(counts).collect();
    let result = [&[*n, *channels], &counts[..]].concat();
    call.check(Dtype::I64, &result)?;
    let lines = [*n, *channels];
    let plain = spatial.len() <= 2 && !spatial.is_empty() && call.outputs == 1;
    let (y, places) = match plain && !matches!(pooling, Pooling::Average { padding: true }) {
        true => (
            pool_by_kernel(x, lines, spatial, &windows, &counts, pooling)?,
            None,
        ),
        false => {
            let (y, places) = pool_by_loop(x, lines, spatial, &windows, &counts, pooling);
            (y, Some(places))
        }
    };
    let y = Array::floats(result.clone(), y)?;
    let y = match small {
        true => crate::cast::to(&y, given.dtype(), call.limit)?,
        false => y,
    };
    let mut results = vec![y];
    if let Some(places) = places.filter(|_| call.outputs == 2) {
        let places = match call.attributes.switch("storage_order", false)? {
            false => places,
            true => column_major(&places, spatial),
        };
        results.push(Array::new(result, Data::I64(places))?);
    }
    Ok(results)
}

/// Places in row-major order to places in column-major order, within each image.
fn column_major(places: &[i64], spatial: &[usize]) -> Vec<i64> {
    let size = spatial.iter().product::<usize>().max(1) as i64;
    let turn = |&place: &i64| {
        let (image, mut rest) = (place / size, place % size);
        let mut index = vec![0; spatial.len()];
        for d in (0..spatial.len()).rev() {
            index[d] = rest % spatial[d] as i64;
            rest /= spatial[d] as i64;
        }
        let (mut at, mut step) = (0, 1);
        for (i, &size) in index.iter().zip(spatial) {
            at += i * step;
            step *= size as i64;
        }
        image * size + at
    };
    places.iter().map(turn).collect()
}

fn pool_by_kernel(
    x: &[f32],
    [n, channels]: [usize; 2],
    spatial: &[usize],
    windows: &Windows,
    counts: &[usize],
    pooling: Pooling,
) -> Result<Vec<f32>, OpError> {
    let [height, width] = image(spatial)?;
    let mut window = windows.window();
    let first = 2 - spatial.len();
    for (d, &count) in counts.iter().enumerate() {
        // As much padding behind as the last window needs: it counts for nothing.
        let reach = count.saturating_sub(1).saturating_mul(windows.strides[d]);
        let needed = reach.saturating_add(windows.extent(d));
        let before = spatial[d].saturating_add(windows.pads[d][0]);
        if count > 0 {
            window.padding[first + d][1] = needed.saturating_sub(before);
        }
    }
    let pixels = height.saturating_mul(width);
    let y = conv::pool(&Pool {
        images: Images {
            height,
            widths: &vec![width; n],
            channels,
        },
        window,
        pooling,
        x: &turned(x, n, [channels, pixels]),
    })?;
    let results = counts.iter().product();
    Ok(turned(&y, n, [results, channels]))
}

/// Any number of spatial axes, each window by itself; also the places of the largest elements.
fn pool_by_loop(
    x: &[f32],
    [n, channels]: [usize; 2],
    spatial: &[usize],
    windows: &Windows,
    counts: &[usize],
    pooling: Pooling,
) -> (Vec<f32>, Vec<i64>) {
    let size: usize = spatial.iter().product();
    let each: usize = counts.iter().product();
    let (mut y, mut places) = (Vec::new(), Vec::new());
    for image in (0..n).flat_map(|i| (0..channels).map(move |c| i * channels + c)) {
        let mut index = vec![0; counts.len()];
        for _ in 0..each {
            let (value, at) = windows.pooled(
                &x[image * size..(image + 1) * size],
                spatial,
                &index,
                pooling,
            );
            y.push(value);
            places.push((image * size + at) as i64);
            for d in (0..counts.len()).rev() {
                index[d] += 1;
                if index[d] < counts[d] {
                    break;
                }
                index[d] = 0;
            }
        }
    }
    (y, places)
}

impl Windows {
    /// One window: its value, and the offset of its largest element.
    fn pooled(
        &self,
        x: &[f32],
        spatial: &[usize],
        index: &[usize],
        pooling: Pooling,
    ) -> (f32, usize) {
        // The taps of each axis that are inside, as places.
        let inside = |d: usize| {
            let first =
                (index[d].saturating_mul(self.strides[d])) as isize - self.pads[d][0] as isize;
            let tap = move |k: usize| first + (k * self.dilations[d]) as isize;
            // Taps past the end are only those of a window that begins inside.
            let reach = (spatial[d].saturating_add(self.extent(d))) / self.dilations[d] + 1;
            (0..self.kernel[d].min(reach.saturating_add(self.pads[d][0])))
                .map(tap)
                .filter(move |&at| (0..spatial[d] as isize).contains(&at))
                .map(|at| at as usize)
                .collect::<Vec<_>>()
        };
        let taps: Vec<Vec<usize>> = (0..spatial.len()).map(inside).collect();
        let count: usize = taps.iter().map(Vec::len).product();
        let (mut best, mut at_best, mut sum) = (f32::NEG_INFINITY, 0, 0.0f64);
        for number in 0..count {
            let (mut rest, mut at, mut step) = (number, 0, 1);
            for d in (0..spatial.len()).rev() {
                at += taps[d][rest % taps[d].len()] * step;
                rest /= taps[d].len();
                step *= spatial[d];
            }
            sum += f64::from(x[at]);
            if number == 0 || x[at] > best || (x[at].is_nan() && !best.is_nan()) {
                (best, at_best) = (x[at], at);
            }
        }
        let value = match pooling {
            _ if count == 0 => 0.0,
            Pooling::Max => best,
            Pooling::Average { padding: false } => (sum / count as f64) as f32,
            Pooling::Average { padding: true } => {
                let taps: usize = (0..spatial.len())
                    .map(|d| self.padded_taps(d, spatial[d], index[d]))
                    .product();
                (sum / taps as f64) as f32
            }
        };
        (value, at_best)
    }

    /// Taps of a window that are elements or padding, not past both.
    fn padded_taps(&self, d: usize, size: usize, index: usize) -> usize {
        let first = index.saturating_mul(self.strides[d]);
        let end = self.padded(d, size);
        let left = end.saturating_sub(first).div_ceil(self.dilations[d]);
        left.min(self.kernel[d]).max(1)
    }
}

/// `GlobalMaxPool` and `GlobalAveragePool`: over all spatial axes.
pub(super) fn global_max_pool(call: &Call) -> Results {
    global(call, |x| {
        x.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    })
}

pub(super) fn global_average_pool(call: &Call) -> Results {
    global(call, |x| {
        (x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64) as f32
    })
}

fn global(call: &Call, f: impl Fn(&[f32]) -> f32) -> Results {
    let (shape, x) = call.floats(0, "X")?;
    let [n, channels, spatial @ ..] = shape else {
        return Err(OpError::Other(format!(
            "X has shape {shape:?} where [N,C,…] is needed"
        )));
    };
    let size: usize = spatial.iter().product();
    let result: Vec<usize> = [*n, *channels]
        .into_iter()
        .chain(spatial.iter().map(|_| 1))
        .collect();
    let count = call.check(Dtype::F32, &result)?;
    let y = (0..count)
        .map(|i| f(&x[i * size..(i + 1) * size]))
        .collect();
    Ok(vec![Array::floats(result, y)?])
}
