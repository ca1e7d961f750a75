//! Ground truth in tables and in small files.

use super::{LARGEST, Sample, Samples, Source, text};
use crate::formats::FormatError;
use crate::formats::tsv::HEADER;
use refrain_image::{Point, Quad, Rect};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Endings of image files, in the order in which they are tried.
const IMAGES: [&str; 5] = ["png", "jpg", "jpeg", "tif", "tiff"];

fn syntax(path: &Path, line: usize, reason: String) -> FormatError {
    FormatError::Syntax {
        path: path.to_path_buf(),
        line,
        reason,
    }
}

/// The pairs of a folder, `NAME.gt.txt` with `NAME.png`, `.jpg`, `.jpeg`, `.tif` or `.tiff`, in the order of their
/// names. The text is the one line of its file. Sub-folders are not read.
///
/// # Errors
/// A folder that cannot be read; from the iterator also a text without an image ([`FormatError::Missing`]), one of
/// several lines, and one that is not UTF-8.
pub fn pairs(folder: &Path) -> Result<Samples, FormatError> {
    let read = |error| FormatError::Read {
        path: folder.to_path_buf(),
        error,
    };
    let mut texts: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.to_string_lossy().ends_with(".gt.txt") {
            texts.push(path);
        }
    }
    texts.sort();
    Ok(Samples::new(
        texts.into_iter().filter_map(|path| pair(&path).transpose()),
    ))
}

fn pair(path: &Path) -> Result<Option<Sample>, FormatError> {
    let content = text(path)?;
    let line = content.trim_end_matches(['\n', '\r']);
    if line.contains('\n') {
        let reason = "the text of a line image has several lines; one is needed".into();
        return Err(syntax(path, 2, reason));
    }
    // `NAME.gt.txt` without its two endings.
    let stem = path.with_extension("").with_extension("");
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    let image = |ending: &&str| path.with_file_name(format!("{name}.{ending}"));
    let Some(image) = IMAGES.iter().map(image).find(|image| image.exists()) else {
        return Err(FormatError::Missing {
            path: path.to_path_buf(),
            line: 1,
            wanted: format!("the image {name}.{}", IMAGES.join(", .")),
        });
    };
    Ok((!line.is_empty()).then(|| Sample {
        image: Source::File(image),
        page: 1,
        quad: None,
        text: line.to_string(),
    }))
}

/// The images of a tar archive that a table names, in the order of the archive. A line of the table is file, tab, text;
/// files of the archive that it does not name are left out. One image at a time is in memory.
///
/// # Errors
/// Files that cannot be read; a line without a tab, or with a file that stood before. From the iterator also an image
/// of more than 256 MiB, and at the end each file of the table that the archive lacks ([`FormatError::Missing`]).
pub fn archive(tar: &Path, table: &Path) -> Result<Samples, FormatError> {
    let rows = text(table)?;
    let mut lines: HashMap<String, (usize, String)> = HashMap::new();
    for (i, row) in rows.lines().enumerate().filter(|(_, row)| !row.is_empty()) {
        let (name, text) = row.split_once('\t').ok_or_else(|| {
            let reason = "the line has no tab; file and text are needed, with a tab between them";
            syntax(table, i + 1, reason.into())
        })?;
        if lines.insert(name.into(), (i + 1, text.into())).is_some() {
            return Err(syntax(
                table,
                i + 1,
                format!("the file `{name}` stood before"),
            ));
        }
    }
    let read = {
        let path = tar.to_path_buf();
        move |error| FormatError::Read {
            path: path.clone(),
            error,
        }
    };
    let mut file = File::open(tar).map_err(&read)?;
    let mut found = Vec::new();
    let mut entries = tar::Archive::new(&mut file);
    for entry in entries.entries_with_seek().map_err(&read)? {
        let entry = entry.map_err(&read)?;
        let name = entry.path().map_err(&read)?.to_string_lossy().into_owned();
        if let Some((_, text)) = lines.remove(name.trim_start_matches("./")) {
            found.push((name, entry.raw_file_position(), entry.size(), text));
        }
    }
    let mut missing: Vec<(usize, String)> = lines
        .into_iter()
        .map(|(name, (line, _))| (line, name))
        .collect();
    missing.sort();
    let table = table.to_path_buf();
    let missing = missing.into_iter().map(move |(line, name)| {
        Err(FormatError::Missing {
            path: table.clone(),
            line,
            wanted: format!("the file `{name}` in the archive"),
        })
    });
    let images = found.into_iter().map(move |(name, at, size, text)| {
        let mut image = || {
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::new();
            (&mut file).take(size).read_to_end(&mut bytes)?;
            match bytes.len() as u64 == size {
                true => Ok(bytes),
                false => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        };
        if size > LARGEST {
            return Err(FormatError::TooLarge {
                path: name.into(),
                most: LARGEST,
            });
        }
        let bytes = image().map_err(&read)?;
        Ok(Sample {
            image: Source::Bytes { name, bytes },
            page: 1,
            quad: None,
            text,
        })
    });
    let lines = images.chain(missing);
    Ok(Samples::new(lines.filter(|line| {
        line.as_ref().map_or(true, |sample| !sample.text.is_empty())
    })))
}

/// The lines of a receipt of ICDAR 2019 SROIE: `x1,y1,x2,y2,x3,y3,x4,y4,text`, clockwise from the top left corner. The
/// text may hold commas.
///
/// # Errors
/// A file that cannot be read; a line without eight numbers and a text.
pub fn sroie(image: &Path, table: &Path) -> Result<Samples, FormatError> {
    let rows = text(table)?;
    let mut lines = Vec::new();
    for (i, row) in rows
        .lines()
        .enumerate()
        .filter(|(_, row)| !row.trim().is_empty())
    {
        let fault = |reason: String| syntax(table, i + 1, reason);
        let fields: Vec<&str> = row.splitn(9, ',').collect();
        let [coordinates @ .., text] = fields.as_slice() else {
            return Err(fault("the line is empty".into()));
        };
        if coordinates.len() != 8 {
            let found = coordinates.len();
            let reason =
                format!("there are {found} commas; eight coordinates and a text are needed");
            return Err(fault(reason));
        }
        let mut numbers = [0.0_f32; 8];
        for (number, field) in numbers.iter_mut().zip(coordinates) {
            let value = field.trim().parse::<f32>().ok();
            *number = value.filter(|value| value.is_finite()).ok_or_else(|| {
                fault(format!(
                    "`{field}` is no number; eight coordinates are needed"
                ))
            })?;
        }
        let corner = |i: usize| Point {
            x: numbers[2 * i],
            y: numbers[2 * i + 1],
        };
        if !text.is_empty() {
            lines.push(Sample {
                image: Source::File(image.to_path_buf()),
                page: 1,
                quad: Some(Quad([0, 1, 2, 3].map(corner))),
                text: (*text).to_string(),
            });
        }
    }
    Ok(Samples::all(lines))
}

/// The lines of the table that Tesseract writes with the configuration `tsv`: words of level 5, joined by blanks, in
/// the box of their line.
///
/// # Errors
/// A file that cannot be read, without the header, or with a line of other than twelve columns.
pub fn tesseract(image: &Path, table: &Path) -> Result<Samples, FormatError> {
    let rows = text(table)?;
    let mut rows = rows.lines().enumerate();
    if rows.next().map(|(_, header)| header) != Some(HEADER.trim_end()) {
        let reason = format!(
            "the header is missing; the columns are {}",
            HEADER.trim_end()
        );
        return Err(syntax(table, 1, reason));
    }
    let mut lines: Vec<Sample> = Vec::new();
    for (i, row) in rows.filter(|(_, row)| !row.is_empty()) {
        let fields: Vec<&str> = row.splitn(12, '\t').collect();
        let [numbers @ .., text] = fields.as_slice() else {
            continue;
        };
        let numbers = numbers.iter().take(10).map(|field| field.parse::<u32>());
        let numbers = numbers.collect::<Result<Vec<_>, _>>().unwrap_or_default();
        let (&[level, page, _, _, _, _, x, y, width, height], 12) = (&numbers[..], fields.len())
        else {
            let reason =
                "twelve columns are needed, the first ten whole numbers, with tabs between them";
            return Err(syntax(table, i + 1, reason.into()));
        };
        match (level, lines.last_mut()) {
            (4, _) => {
                let [x, y, width, height] = [x, y, width, height].map(|v| v as usize);
                lines.push(Sample {
                    image: Source::File(image.to_path_buf()),
                    page,
                    quad: Some(
                        Rect {
                            x,
                            y,
                            width,
                            height,
                        }
                        .quad(),
                    ),
                    text: String::new(),
                });
            }
            (5, Some(line)) => {
                if !line.text.is_empty() {
                    line.text.push(' ');
                }
                line.text.push_str(text);
            }
            _ => {}
        }
    }
    lines.retain(|line| !line.text.is_empty());
    Ok(Samples::all(lines))
}
