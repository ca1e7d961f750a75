//! PDF.

use refrain_image::{Gray, ImageError, Limits, Pages};

use crate::{bilevel, distance, golden_page, golden_pages, page, smooth};

/// A PDF of one page of 144 by 72 points, with these resources and this content.
fn pdf(resources: &str, objects: &[String], content: &str) -> Vec<u8> {
    let mut bodies = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 144 72]/Contents 4 0 R/Resources<<{resources}>>>>"
        ),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len()),
    ];
    bodies.extend(objects.iter().cloned());
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (i, body) in bodies.iter().enumerate() {
        offsets.push(file.len());
        file += &format!("{} 0 obj\n{body}\nendobj\n", i + 1);
    }
    let table = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1);
    for offset in &offsets {
        file += &format!("{offset:010} 00000 n \n");
    }
    file += &format!(
        "trailer<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n",
        offsets.len() + 1
    );
    file.into_bytes()
}

/// An image of one black sample that claims to be `width` by `height`.
fn image(width: u64, height: u64) -> String {
    format!(
        "<</Type/XObject/Subtype/Image/Width {width}/Height {height}/BitsPerComponent 8/ColorSpace/DeviceGray/Length 1\
         >>stream\n\0\nendstream"
    )
}

#[test]
fn scanned_pages_come_at_300_dpi() {
    let photo = golden_page("photo.pdf");
    assert_eq!((photo.image.width(), photo.image.height()), (600, 450));
    assert_eq!((photo.dpi, photo.number), (Some(300.0), 1));
    assert!(distance(&photo.image.resize(64, 48), &smooth()) < 4.0);
    let pages = golden_pages("fax.pdf");
    assert_eq!(pages.len(), 2);
    for (number, page) in (1..).zip(pages) {
        let page = page.unwrap();
        assert_eq!(
            (page.number, page.image.width(), page.image.height()),
            (number, 610, 370)
        );
        let upright = page.image.turned(if number == 1 { 0 } else { 2 });
        assert!(distance(&upright.resize(61, 37), &bilevel()) < 4.0);
    }
}

#[test]
fn text_and_shapes_of_a_page_are_drawn() {
    let font = "/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>";
    let content = "0 0 36 36 re f BT /F 24 Tf 60 30 Td (Hi) Tj ET";
    let page = page(&pdf(font, &[], content)).unwrap();
    assert_eq!((page.image.width(), page.image.height()), (600, 300));
    let dark = |x: usize, y: usize, width: usize, height: usize| {
        let part = page.image.crop(refrain_image::Rect {
            x,
            y,
            width,
            height,
        });
        part.pixels().iter().filter(|&&pixel| pixel < 128).count()
    };
    assert_eq!(dark(0, 150, 150, 150), 150 * 150);
    assert_eq!(dark(0, 0, 600, 50), 0);
    assert!(dark(245, 60, 150, 130) > 1000, "the letters");
    assert_eq!(dark(400, 0, 200, 300), 0);
}

#[test]
fn an_image_of_one_pixel_covers_its_square() {
    let content = "q 72 0 0 36 0 0 cm /I Do Q";
    let page = page(&pdf("/XObject<</I 5 0 R>>", &[image(1, 1)], content)).unwrap();
    let expected = Gray::from_fn(600, 300, |x, y| if x < 300 && y >= 150 { 0 } else { 255 });
    assert!(distance(&page.image, &expected) < 1.0);
}

#[test]
fn images_above_the_cap_are_refused_before_drawing() {
    let form = "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</I 5 0 R>>>>/Length 5>>stream\n/I Do\n\
                endstream";
    let objects = [image(60_000, 60_000), form.to_owned()];
    for resources in ["/XObject<</I 5 0 R>>", "/XObject<</I 6 0 R>>"] {
        let error = page(&pdf(resources, &objects, "/I Do")).unwrap_err();
        assert!(
            matches!(
                error,
                ImageError::Large {
                    width: 60_000,
                    height: 60_000,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_large_page_is_drawn_at_a_lower_resolution() {
    let limits = Limits {
        pixels: 80_000,
        ..Limits::default()
    };
    let read = Pages::of(pdf("", &[], "0 0 36 36 re f"), &limits)
        .unwrap()
        .next();
    let page = read.unwrap().unwrap();
    assert!(page.image.pixels().len() <= 80_000 && page.image.pixels().len() > 75_000);
    assert_eq!(page.warnings.len(), 1);
    let limits = Limits {
        pixels: 8_000,
        ..limits
    };
    let read = Pages::of(pdf("", &[], ""), &limits).unwrap().next();
    assert!(matches!(
        read,
        Some(Err(ImageError::Large {
            width: 600,
            height: 300,
            ..
        }))
    ));
}

#[test]
fn a_broken_pdf_is_refused() {
    for bytes in [
        &b"%PDF-1.7\n"[..],
        b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer<</Root 1 0 R>>",
    ] {
        assert!(matches!(
            page(bytes),
            Err(ImageError::Damaged { format: "PDF", .. })
        ));
    }
}
