//! Nothing panics, whatever the image.

use proptest::prelude::*;
use refrain_image::{Gray, Point, Quad};
use refrain_page::{
    Frame, Layout, Limits, cells, deskew, det_eval, draw_map, find_line, find_lines,
    lines_from_map, map_size, matches, measure, order, rectify, skew, tsv, uncovered_ink,
    word_quads,
};

/// Images of few levels, so that there is ink to find, with sizes down to nothing.
fn image() -> impl Strategy<Value = Gray> {
    let sizes = prop_oneof![
        (0usize..4, 0usize..4),
        (0usize..3, 0usize..200),
        (0usize..200, 0usize..3),
        (0usize..90, 0usize..90)
    ];
    (sizes, any::<u64>(), 1usize..9).prop_map(|((width, height), seed, block)| {
        Gray::from_fn(width, height, |x, y| {
            let cell = (x / block) as u64 * 1_000_003 + (y / block) as u64 * 7_919;
            let bits = (cell ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            [0, 255, 255, 128, 240, 20][bits as usize % 6]
        })
    })
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        -50.0f32..150.0,
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::MAX),
        Just(0.0)
    ]
}

fn quad() -> impl Strategy<Value = Quad> {
    let point = (number(), number()).prop_map(|(x, y)| Point { x, y });
    prop::array::uniform4(point).prop_map(Quad)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_image_is_read(page in image(), degrees in -90.0f32..90.0) {
        let limits = Limits::default();
        let lines = find_lines(&page, &limits).unwrap().lines;
        find_line(&page, &limits).unwrap();
        prop_assert!(skew(&page).abs() <= 15.01);
        deskew(&page, degrees);
        for layout in [Layout::Auto, Layout::Page, Layout::Receipt, Layout::Line, Layout::Word] {
            let regions = order(&lines, layout);
            let mut seen: Vec<usize> = regions.iter().flat_map(|r| r.rows.iter().flatten().copied()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lines.len()).collect::<Vec<_>>());
            for region in &regions {
                let cells = cells(region, &lines);
                prop_assert_eq!(cells.iter().flatten().flatten().count(), region.rows.iter().flatten().count());
                tsv(&cells, &[]);
            }
        }
        for line in &lines {
            let rectified = rectify(&page, line, Frame::of(36));
            word_quads(&rectified, &[(0.0, 10.0), (10.0, 50.0)]);
        }
        let quads: Vec<Quad> = lines.iter().map(|line| line.quad).collect();
        let share = uncovered_ink(&page, &quads, &limits).unwrap();
        prop_assert!((0.0..=1.0).contains(&share));
    }

    #[test]
    fn any_corners_are_taken(page in image(), quads in prop::collection::vec(quad(), 0..4)) {
        for line in measure(&page, &quads) {
            rectify(&page, &line, Frame::of(24));
        }
        let map = draw_map(&quads, page.width(), page.height());
        lines_from_map(&map, map_size(page.width()), map_size(page.height()), 0.5, &Limits::default()).unwrap();
        let all = matches(&quads, &quads, 0.5);
        prop_assert!(all.matched <= quads.len());
        det_eval(&quads, &quads);
        order(&measure(&page, &quads), Layout::Auto);
        uncovered_ink(&page, &quads, &Limits::default()).unwrap();
    }

    #[test]
    fn any_map_gives_lines(
        values in prop::collection::vec(prop_oneof![0.0f32..1.0, Just(f32::NAN)], 60),
        level in -1.0f32..1.0,
    ) {
        lines_from_map(&values, 12, 5, level, &Limits::default()).unwrap();
    }
}
