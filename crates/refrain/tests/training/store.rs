//! Files: complete or absent, and all input is checked.

use refrain::files::tensors::Storage;
use refrain::files::{atomic, tensors};
use refrain::params::NamedTensor;
use refrain::store::ModelFolder;
use refrain::train::Checkpoint;
use std::fs;
use tempfile::tempdir;

fn some() -> Vec<NamedTensor> {
    let tensor = |name: &str, shape: &[usize]| NamedTensor {
        name: name.into(),
        shape: shape.to_vec(),
        data: (0..shape.iter().product::<usize>())
            .map(|i| i as f32 - 1.5)
            .collect(),
    };
    vec![
        tensor("b.weight", &[2, 3]),
        tensor("a", &[0]),
        tensor("c", &[1, 1, 4]),
    ]
}

#[test]
fn tensors_come_back_and_the_same_tensors_give_the_same_bytes() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x.safetensors");
    tensors::save(&file, some(), ("key", "text".into())).unwrap();
    let bytes = fs::read(&file).unwrap();
    let (read, metadata) = tensors::load(&file).unwrap();
    assert_eq!(read.len(), 3);
    for tensor in some() {
        assert_eq!(read[&tensor.name], tensor);
    }
    assert_eq!(metadata["key"], "text");
    assert_eq!(tensors::load_metadata(&file).unwrap(), metadata);
    tensors::save(
        &file,
        some().into_iter().rev().collect(),
        ("key", "text".into()),
    )
    .unwrap();
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x.safetensors");
    tensors::save(&file, some(), ("key", "text".into())).unwrap();
    let bytes = fs::read(&file).unwrap();
    for length in 0..bytes.len() {
        fs::write(&file, &bytes[..length]).unwrap();
        assert!(
            tensors::load(&file).is_err(),
            "{length} of {} bytes",
            bytes.len()
        );
        assert!(Checkpoint::load(&file).is_err());
        let _ = tensors::load_metadata(&file);
    }
}

#[test]
fn forged_sizes_are_refused() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x.safetensors");
    let forged = |header: &str, data: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        fs::write(&file, bytes).unwrap();
        tensors::load(&file).unwrap_err().to_string()
    };
    forged(
        r#"{"a":{"dtype":"F32","shape":[1000000000000,1000000000],"data_offsets":[0,4]}}"#,
        &[0; 4],
    );
    forged(
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        &[0; 4],
    );
    forged(
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        &[0; 4],
    );
    let error = forged(
        r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#,
        &[0; 8],
    );
    assert!(error.contains("F64"), "{error}");
    fs::write(&file, u64::MAX.to_le_bytes()).unwrap();
    assert!(tensors::load(&file).is_err() && tensors::load_metadata(&file).is_err());
}

#[test]
fn a_write_that_fails_leaves_the_file_from_before() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x");
    atomic::write(&file, b"before").unwrap();
    // A folder blocks the name of the temporary file.
    fs::create_dir(folder.path().join(".x.tmp")).unwrap();
    assert!(atomic::write(&file, b"after").is_err());
    assert_eq!(fs::read(&file).unwrap(), b"before");
    fs::remove_dir(folder.path().join(".x.tmp")).unwrap();
    atomic::write(&file, b"after").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"after");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_a_device_is_not_replaced() {
    let folder = tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    atomic::write(&target, b"before").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    atomic::write(&link, b"after").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"after");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let device = folder.path().join("device");
    std::os::unix::fs::symlink("/dev/null", &device).unwrap();
    let error = atomic::write(&device, b"x").unwrap_err().to_string();
    assert!(error.contains("ordinary file"), "{error}");
}

#[test]
fn a_folder_that_is_none_says_so() {
    let folder = tempdir().unwrap();
    let open = |name: &str| {
        ModelFolder::open(&folder.path().join(name))
            .unwrap_err()
            .to_string()
    };
    assert!(open("nowhere").contains("no such folder"));
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(open("empty").contains("model.toml"));
    fs::create_dir(folder.path().join("foreign")).unwrap();
    for text in [&b"colour = \"red\""[..], b"[[[", b"\xff\xfe"] {
        fs::write(folder.path().join("foreign/model.toml"), text).unwrap();
        assert!(open("foreign").contains("model.toml"));
    }
}

#[test]
fn half_precision_keeps_eleven_bits_and_refuses_what_is_too_large() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("half.safetensors");
    let tensor = |data: Vec<f32>| {
        vec![NamedTensor {
            name: "w".into(),
            shape: vec![data.len()],
            data,
        }]
    };
    let values = vec![0.0, 1.0, -0.333_333_34, 1e-3, 60_000.0];
    let whole = tensors::save(&file, tensor(values.clone()), ("key", "text".into())).unwrap();
    let bytes = tensors::save_as(
        &file,
        tensor(values.clone()),
        Storage::F16,
        ("key", "text".into()),
    )
    .unwrap();
    assert!(bytes < whole);
    let got = &tensors::load(&file).unwrap().0["w"];
    for (got, value) in got.data.iter().zip(&values) {
        assert!((got - value).abs() <= value.abs() / 2048.0, "{got} {value}");
    }
    for large in [70_000.0, f32::INFINITY] {
        let error = tensors::save_as(
            &file,
            tensor(vec![large]),
            Storage::F16,
            ("key", "text".into()),
        );
        assert!(error.unwrap_err().to_string().contains("half precision"));
    }
}

#[test]
fn bytes_hold_matrices_of_any_size_of_number_and_name_the_vectors_that_they_cannot() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("bytes.safetensors");
    let save = |shape: &[usize], number: f32| {
        let tensor = NamedTensor {
            name: "w".into(),
            shape: shape.to_vec(),
            data: vec![number; 2],
        };
        let note = ("key", "text".to_string());
        tensors::save_as(&file, vec![tensor], Storage::Int8, note)
    };
    save(&[1, 2], 70_000.0).unwrap();
    let got = &tensors::load(&file).unwrap().0["w"];
    assert!((got.data[0] - 70_000.0).abs() < 1.0, "{}", got.data[0]);
    let error = save(&[2], 70_000.0).unwrap_err().to_string();
    assert!(error.contains("int8 keeps vectors"), "{error}");
    let error = save(&[1, 2], f32::INFINITY).unwrap_err().to_string();
    assert!(error.contains("not a finite number"), "{error}");
}
