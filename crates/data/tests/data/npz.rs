//! Archives of arrays.

use refrain_data::array::{Array, Data};
use refrain_data::npz::{self, NpzError};
use std::io::{Cursor, Write};

/// An archive of one array with these bytes.
fn archive(npy: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("x.npy", options).unwrap();
    archive.write_all(npy).unwrap();
    archive.finish().unwrap().into_inner()
}

/// An array with this text before its numbers.
fn npy(text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

fn error(npy: &[u8]) -> String {
    npz::read(&archive(npy)).unwrap_err().to_string()
}

#[test]
fn every_type_goes_there_and_back() {
    let all = [
        ("a/b:0", Data::F32(vec![1.5, f32::NEG_INFINITY, -0.0])),
        ("longs", Data::I64(vec![i64::MIN, 0, i64::MAX])),
        ("ints", Data::I32(vec![i32::MIN, 0, i32::MAX])),
        ("doubles", Data::F64(vec![f64::MIN, 0.1, f64::INFINITY])),
        ("shorts", Data::I16(vec![i16::MIN, 0, i16::MAX])),
        ("signed", Data::I8(vec![i8::MIN, 0, i8::MAX])),
        ("counts", Data::U64(vec![0, 1, u64::MAX])),
        ("words", Data::U32(vec![0, 1, u32::MAX])),
        ("pairs", Data::U16(vec![0, 1, u16::MAX])),
        ("bytes", Data::U8(vec![0, 1, u8::MAX])),
        ("flags", Data::Bool(vec![true, false, true])),
    ];
    let mut arrays: Vec<_> = all
        .map(|(name, data)| (name.to_string(), Array::new(vec![3, 1], data).unwrap()))
        .into();
    arrays.push(("number".into(), Array::floats(vec![], vec![2.0]).unwrap()));
    arrays.push(("nothing".into(), Array::floats(vec![0, 3], vec![]).unwrap()));
    let read = npz::read(&npz::write(&arrays).unwrap()).unwrap();
    assert_eq!(read, arrays.into_iter().collect());
}

#[test]
fn columns_first_are_turned() {
    let data: Vec<u8> = [1i32, 4, 2, 5, 3, 6]
        .iter()
        .flat_map(|i| i.to_le_bytes())
        .collect();
    let npy = npy(
        "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n",
        &data,
    );
    let read = npz::read(&archive(&npy)).unwrap();
    assert_eq!(
        read["x"],
        Array::new(vec![2, 3], Data::I32(vec![1, 2, 3, 4, 5, 6])).unwrap()
    );
}

/// Half precision is for storing: it is read as float32.
#[test]
fn halves_are_widened() {
    // 1, −2, the smallest denormal, the largest number, −∞ and a NaN.
    let halves = [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x7e00];
    let data: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
    let text = "{'descr': '<f2', 'fortran_order': False, 'shape': (6,), }\n";
    let read = npz::read(&archive(&npy(text, &data))).unwrap();
    let got = read["x"].as_f32().unwrap();
    let expected = [1.0, -2.0, 2f32.powi(-24), 65504.0, f32::NEG_INFINITY];
    assert_eq!(got[..5], expected);
    assert!(got[5].is_nan());
    assert!(npz::read(&archive(&npy(text, &data[1..]))).is_err());
}

#[test]
fn other_types_are_named() {
    for (descr, size) in [(">f2", 2), (">f4", 4), ("<U3", 12), ("<c8", 8)] {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n");
        let error = error(&npy(&text, &vec![0; size]));
        assert!(
            error.contains(descr) && error.contains("little-endian") && error.contains("\"x\""),
            "{error}"
        );
    }
}

#[test]
fn forged_arrays_are_refused() {
    let text =
        |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    for shape in [
        "(2,)",
        "(1099511627776, 1099511627776)",
        "(1099511627776, 0)",
        "(-1,)",
        "3",
    ] {
        assert!(error(&npy(&text(shape), &[0; 4])).contains("\"x\""));
    }
    error(&npy(&"(".repeat(60_000), &[]));
    error(b"\x93NUMPY\x02\x00\xff\xff\xff\xff");
    error(b"");
    assert!(
        npz::read(b"PK no archive")
            .unwrap_err()
            .to_string()
            .contains("numpy.savez")
    );
}

/// The limit is asked of the numbers as they are in memory, before any is read: half precision takes twice its bytes
/// there.
#[test]
fn the_limit_counts_bytes_in_memory() {
    let text = "{'descr': '<f2', 'fortran_order': False, 'shape': (100,), }\n";
    let halves = archive(&npy(text, &[0; 200]));
    assert_eq!(npz::read_within(&halves, 400).unwrap()["x"].len(), 100);
    let error = npz::read_within(&halves, 399).unwrap_err();
    assert!(
        matches!(&error, NpzError::TooLarge { name, limit: 399 } if name == "x"),
        "{error}"
    );
    let longs = vec![
        ("a".to_string(), Array::ints(vec![0; 10])),
        ("b".to_string(), Array::ints(vec![0; 10])),
    ];
    let longs = npz::write(&longs).unwrap();
    assert_eq!(npz::read_within(&longs, 160).unwrap().len(), 2);
    let error = npz::read_within(&longs, 159).unwrap_err().to_string();
    assert!(
        error.contains("\"b\"") && error.contains("159 bytes"),
        "{error}"
    );
}
