use tch::kind::FLOAT_CPU;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pickle").join(name)
}

fn read_bytes(bytes: &[u8]) -> Result<Pickle> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    read(path)
}

fn message(bytes: &[u8]) -> String {
    let text = read_bytes(bytes).unwrap_err().to_string();
    text.split_once("file: ").unwrap().1.to_owned()
}

fn numbers(tensor: Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// What Python itself wrote, by `tests/fixtures/pickles.py`.
#[test]
fn values_of_every_protocol_are_read() {
    for name in ["values_2", "values_3", "values_4", "values_5", "values_python2"] {
        let pickle = read(fixture(&format!("{name}.pkl"))).unwrap();
        let root = pickle.root();
        let get = |key| root.get(key).unwrap();

        assert!(get("none").is_none());
        let bools: Vec<_> = get("bools").items().unwrap().iter().map(|item| item.boolean().unwrap()).collect();
        assert_eq!(bools, [true, false]);
        let integers: Vec<_> = get("integers").items().unwrap().iter().map(|item| item.integer().unwrap()).collect();
        let expected = [0, 255, 256, 65535, 65536, -1, -(1 << 31), 1 << 31, 1 << 62, i64::MIN];
        assert_eq!(integers, expected);
        let text = get("huge").integer().unwrap_err().to_string();
        let huge = "in [\"huge\"], expected a whole number of 64 bits, found a whole number of more than 64 bits";
        assert!(text.ends_with(huge), "{text}");
        let floats: Vec<_> = get("floats").items().unwrap().iter().map(|item| item.float().unwrap()).collect();
        assert_eq!(floats, [0.5, -1e300, f64::INFINITY]);
        assert_eq!(get("text").text().unwrap(), "naïve");
        assert_eq!(get("long").text().unwrap(), "x".repeat(300));
        let nested = get("nested");
        assert_eq!(nested.get("list").unwrap().items().unwrap()[1].items().unwrap()[0].integer().unwrap(), 1);
        let (key, value) = nested.get("dict").unwrap().entries().unwrap().remove(0);
        assert_eq!((key.integer().unwrap(), value.text().unwrap()), (1, "one".to_owned()));
        assert!(nested.get("tuple").unwrap().items().unwrap().is_empty());
        let scalars = get("scalars").items().unwrap();
        assert_eq!((scalars[0].float().unwrap(), scalars[1].integer().unwrap()), (0.5, -7));

        assert_eq!(get("empty").array(Kind::Double, &[0, 3]).unwrap().numel(), 0);
        assert_eq!(numbers(get("fortran").array(Kind::Double, &[2, 3]).unwrap()), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(numbers(get("big").array(Kind::Int, &[-1]).unwrap()), [0.0, 1.0, 2.0]);
        assert_eq!(numbers(get("view").array(Kind::Uint8, &[3, 2]).unwrap()), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(numbers(get("flags").array(Kind::Bool, &[3]).unwrap()), [1.0, 0.0, 1.0]);
        assert_eq!(get("single").integer().unwrap(), 7);
        assert_eq!(numbers(get("half").tensor().unwrap()), [0.5, 2.0]);
        assert_eq!(get("unicode").texts().unwrap(), ["a", "größe", ""]);
        assert_eq!(get("bytes").texts().unwrap(), ["ab", "cde"]);
        assert_eq!(get("objects").texts().unwrap(), ["one", "two words"]);
        let shared = get("shared").items().unwrap();
        let expected = Tensor::arange(6, FLOAT_CPU).view([2, 3]);
        assert!(shared.iter().all(|array| array.tensor().unwrap() == expected), "{name}");
    }
}

#[test]
fn a_pickle_that_wants_to_run_something_is_refused_where_it_says_so() {
    assert_eq!(
        message(b"\x80\x02cos\nsystem\nX\x04\0\0\0echo\x85R."),
        "byte 2: the pickle wants to import `os.system`, and reading runs nothing; read it with Python, if you trust it, \
         and save arrays and plain values"
    );
    // The same by protocol 4, with the names on the stack.
    let named = message(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04echo\x85R.");
    assert!(named.starts_with("byte 17: the pickle wants to import `posix.system`"), "{named}");
    for (bytes, expected) in [
        (&b"\x80\x02cbuiltins\neval\n."[..], "byte 2: the pickle wants to import `builtins.eval`"),
        (b"\x80\x02cnumpy\nload\n.", "byte 2: the pickle wants to import `numpy.load`"),
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "byte 16: the pickle wants to make an object of a class (instruction 0x81)"),
        (b"\x80\x02}}b.", "byte 4: the pickle wants to set the state of an object"),
        (b"\x80\x02N)R.", "byte 4: the pickle wants to call a value"),
        (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0hex\x86R.", "byte 33: `Encode` is called with other"),
        (b"\x80\x02U\x01xQ.", "byte 5: a value is kept outside the pickle (a persistent id)"),
        (b"\x80\x05\x97.", "byte 2: a buffer is kept outside the pickle"),
    ] {
        let text = message(bytes);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn damage_is_named_with_its_byte_and_promises_reserve_nothing() {
    let whole = std::fs::read(fixture("values_4.pkl")).unwrap();
    for length in 0..whole.len() {
        assert!(read_bytes(&whole[..length]).is_err(), "{length}");
    }
    for (bytes, expected) in [
        (&b""[..], "byte 0: expected 1 more bytes, found 0; the file ends early, fetch it anew"),
        (b"\x80\x02.", "byte 2: an instruction lacks its value"),
        (b"\x80\x09N.", "byte 0: expected protocol 2 to 5, found 9"),
        (b"I01\n.", "byte 0: the pickle is of protocol 0 or 1"),
        (b"\x93NUMPY", "byte 0: an instruction lacks its value"),
        (b"PK\x03\x04", "byte 0: a value is kept outside"),
        (b"\xff", "byte 0: expected an instruction of pickle, found 0xff"),
        (b"\x80\x02h\x05.", "byte 2: value 5 is recalled and was never remembered"),
        (b"\x80\x02}(Nu.", "byte 5: a key of a dictionary lacks its value"),
        (b"\x80\x02X\xff\xff\xff\xffabc", "byte 2: expected 4294967295 more bytes, found 3"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "byte 2: expected 18446744073709551615 more bytes, found 1"),
        (b"\x80\x02X\x01\0\0\0\xff.", "byte 2: expected text in UTF-8"),
        (b"version https://git-lfs", "a pointer of Git LFS"),
    ] {
        let text = message(bytes);
        assert!(text.starts_with(expected), "{text}");
    }
    // An array whose dimensions promise more than it holds.
    let promise = b"\x80\x05cnumpy.core.numeric\n_frombuffer\n(C\x04abcdcnumpy\ndtype\nX\x02\0\0\0f4\x85R\
        J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86X\x01\0\0\0CtR.";
    let text = read_bytes(promise).unwrap().root().tensor().unwrap_err().to_string();
    assert!(text.ends_with("bytes of data, found 4; fetch the file anew"), "{text}");
}

#[test]
fn values_within_themselves_and_deep_ones_do_no_harm() {
    // A list that holds itself, and lists that hold the one before twice: 2^10,000 in all, if they were copied.
    let pickle = read_bytes(b"\x80\x02]q\0h\0a.").unwrap();
    assert_eq!(pickle.root().items().unwrap()[0].items().unwrap().len(), 1);
    let doubling = [&b"\x80\x02)"[..], &b"2\x86".repeat(10_000), b"."].concat();
    assert_eq!(read_bytes(&doubling).unwrap().root().items().unwrap().len(), 2);
    let deep = [&b"\x80\x02"[..], &b"]".repeat(1_000_000), &b"a".repeat(999_999), b"."].concat();
    assert_eq!(read_bytes(&deep).unwrap().root().items().unwrap().len(), 1);
}

#[test]
fn errors_name_the_way_to_a_value() {
    let pickle = read(fixture("affect.pkl")).unwrap();
    let train = pickle.root().get("train").unwrap();
    let text = train.get("video").unwrap_err().to_string();
    let expected = "affect.pkl: in [\"train\"], there is no key \"video\"; the keys are \"vision\", \"audio\", \"text\", \
                    \"labels\", \"id\"";
    assert!(text.ends_with(expected), "{text}");
    let text = train.get("audio").unwrap().array(Kind::Float, &[-1, 50, 3]).unwrap_err().to_string();
    let expected = "in [\"train\"][\"audio\"], expected an array [?, 50, 3] of Float, found [9, 7, 3] of Double";
    assert!(text.ends_with(expected), "{text}");
    let text = train.get("vision").unwrap().text().unwrap_err().to_string();
    assert!(text.ends_with("expected an array of texts, found one of `<f4`"), "{text}");
    let text = pickle.root().items().unwrap_err().to_string();
    assert!(text.ends_with("affect.pkl: expected a list, found a dictionary of 3"), "{text}");
}
