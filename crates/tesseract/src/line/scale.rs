//! Scaling of grey images by the rules of Leptonica's `pixScale`, which made the lines that the models learnt from:
//! areas below a factor of 0.7, interpolation between pixels above it, and sharpening where letters keep their size
//! roughly. Positions are whole sixteenths of a pixel, counted from the corner.

use refrain_image::Gray;

/// An image larger or smaller by a factor in both directions. Sizes are those of the caller to check.
pub(super) fn scale(image: &Gray, factor: f32) -> Gray {
    if factor == 1.0 {
        return image.clone();
    }
    let size = |size: usize| ((size as f32 * factor + 0.5) as usize).max(1);
    let [columns, rows] = [(image.width(), size(image.width())), (image.height(), size(image.height()))];
    match factor {
        ..0.7 => {
            let small = by_area(image, columns, rows);
            match factor > 0.2 {
                true => sharpen(&small, 1, 0.2),
                false => small,
            }
        }
        _ => {
            let scaled = by_interpolation(image, columns, rows);
            match factor < 1.4 {
                true => sharpen(&scaled, 2, 0.4),
                false => scaled,
            }
        }
    }
}

/// Sixteenths of a pixel from the corner to where pixel `at` of the result begins.
fn sixteenths((from, to): (usize, usize), at: usize) -> usize {
    (16.0 * from as f32 / to as f32 * at as f32) as usize
}

/// Mean of four neighbours, weighted by their distance.
fn by_interpolation(image: &Gray, columns: (usize, usize), rows: (usize, usize)) -> Gray {
    let place = |axis: (usize, usize), at: usize| {
        let position = sixteenths(axis, at);
        let first = (position / 16).min(axis.0 - 1);
        (first, (first + 1).min(axis.0 - 1), (position % 16) as u32)
    };
    let across: Vec<_> = (0..columns.1).map(|x| place(columns, x)).collect();
    let mut pixels = Vec::with_capacity(columns.1 * rows.1);
    for y in 0..rows.1 {
        let (above, below, down) = place(rows, y);
        let [above, below] = [image.row(above), image.row(below)];
        pixels.extend(across.iter().map(|&(left, right, along)| {
            let mix = |row: &[u8]| u32::from(row[left]) * (16 - along) + u32::from(row[right]) * along;
            ((mix(above) * (16 - down) + mix(below) * down + 128) / 256) as u8
        }));
    }
    image_of(columns.1, rows.1, pixels)
}

/// Mean of the area that becomes a pixel.
fn by_area(image: &Gray, columns: (usize, usize), rows: (usize, usize)) -> Gray {
    // Where an area begins and ends, cut off at the edge and never empty.
    let span = |axis: (usize, usize), at: usize| {
        let end = (16 * axis.0).min(sixteenths(axis, at + 1));
        (sixteenths(axis, at).min(end.saturating_sub(1)), end)
    };
    // Pixels with their parts of a span.
    let parts = |(start, end): (usize, usize)| {
        let pixels = start / 16..end.div_ceil(16);
        pixels.map(move |pixel| (pixel, (end.min(16 * pixel + 16) - start.max(16 * pixel)) as u64))
    };
    let across: Vec<_> = (0..columns.1).map(|x| span(columns, x)).collect();
    let (mut pixels, mut sums) = (Vec::with_capacity(columns.1 * rows.1), Vec::new());
    for y in 0..rows.1 {
        let down = span(rows, y);
        sums.clear();
        sums.resize(image.width(), 0u64);
        for (row, part) in parts(down) {
            let pixels = sums.iter_mut().zip(image.row(row));
            pixels.for_each(|(sum, &pixel)| *sum += part * u64::from(pixel));
        }
        pixels.extend(across.iter().map(|&along| {
            let sum: u64 = parts(along).map(|(column, part)| part * sums[column]).sum();
            let area = ((along.1 - along.0) * (down.1 - down.0)) as u64;
            ((sum + area / 2) / area) as u8
        }));
    }
    image_of(columns.1, rows.1, pixels)
}

/// Adds `fraction` of the difference from the mean of a square of 2·`half` + 1 pixels. A border of `half` pixels stays.
fn sharpen(image: &Gray, half: usize, fraction: f32) -> Gray {
    let (width, height, side) = (image.width(), image.height(), 2 * half + 1);
    let mut sharp = image.clone();
    if width < side || height < side {
        return sharp;
    }
    let mut sums = vec![0u32; width];
    for y in half..height - half {
        sums.fill(0);
        for row in y - half..=y + half {
            let pixels = sums.iter_mut().zip(image.row(row));
            pixels.for_each(|(sum, &pixel)| *sum += u32::from(pixel));
        }
        let out = &mut sharp.pixels_mut()[y * width..][..width];
        for (x, window) in sums.windows(side).enumerate() {
            let mean = window.iter().sum::<u32>() as f32 / (side * side) as f32;
            let pixel = f32::from(out[x + half]);
            out[x + half] = (pixel + fraction * (pixel - mean) + 0.5).clamp(0.0, 255.0) as u8;
        }
    }
    sharp
}

/// The pixels are as many as the sizes say.
fn image_of(width: usize, height: usize, pixels: Vec<u8>) -> Gray {
    Gray::from_fn(width, height, |x, y| pixels[y * width + x])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey values that rise by 10 a column.
    fn ramp(width: usize, height: usize) -> Gray {
        Gray::from_fn(width, height, |x, _| (10 * x) as u8)
    }

    #[test]
    fn areas_are_means() {
        let half = by_area(&ramp(8, 6), (8, 4), (6, 3));
        assert_eq!((half.width(), half.height()), (4, 3));
        assert_eq!(half.row(1), [5, 25, 45, 65]);
        // Two thirds of a pixel more: 1.5 pixels become one.
        let part = by_area(&ramp(6, 6), (6, 4), (6, 4));
        assert_eq!(part.row(0), [3, 17, 33, 47]);
    }

    #[test]
    fn interpolation_counts_sixteenths_from_the_corner() {
        let larger = by_interpolation(&ramp(4, 4), (4, 8), (4, 8));
        assert_eq!(larger.row(3), [0, 5, 10, 15, 20, 25, 30, 30]);
    }

    #[test]
    fn sharpening_lifts_edges_and_leaves_the_border() {
        let edge = Gray::from_fn(9, 5, |x, _| if x < 4 { 100 } else { 150 });
        let sharp = sharpen(&edge, 1, 0.2);
        assert_eq!(sharp.row(0), edge.row(0));
        assert_eq!(sharp.row(2), [100, 100, 100, 97, 153, 150, 150, 150, 150]);
    }

    #[test]
    fn every_size_and_factor_gives_an_image() {
        for size in [1, 2, 3, 5, 7, 36, 100] {
            for factor in [0.001, 0.05, 0.2, 0.36, 0.5, 0.69, 0.7, 0.99, 1.0, 1.3, 1.4, 4.0] {
                let image = Gray::from_fn(size, 101 - size, |x, y| (x * 31 + y * 17) as u8);
                let scaled = scale(&image, factor);
                let expected = |size: usize| ((size as f32 * factor + 0.5) as usize).max(1);
                assert_eq!((scaled.width(), scaled.height()), (expected(size), expected(101 - size)));
            }
        }
    }
}
