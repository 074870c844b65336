//! Pickles of dictionaries, lists, texts and arrays, in protocol 3, as Python reads them.

/// What is written.
pub(super) enum Value {
    Text(String),
    Array(Array),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(String, Value)>),
}

/// An array of NumPy in C order.
pub(super) struct Array {
    /// The element type: `f4`, `f8` or `i8`, in little-endian order.
    pub(super) code: &'static str,
    pub(super) dims: Vec<usize>,
    pub(super) data: Vec<u8>,
}

pub(super) fn pickled(value: &Value) -> Vec<u8> {
    let mut out = b"\x80\x03".to_vec();
    write(value, &mut out);
    out.push(b'.');
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(value) => text(value, out),
        Value::Array(value) => array(value, out),
        Value::Tuple(values) => {
            out.push(b'(');
            values.iter().for_each(|value| write(value, out));
            out.push(b't');
        }
        Value::List(values) => {
            out.extend(b"](");
            values.iter().for_each(|value| write(value, out));
            out.push(b'e');
        }
        Value::Dict(entries) => {
            out.extend(b"}(");
            for (key, value) in entries {
                text(key, out);
                write(value, out);
            }
            out.push(b'u');
        }
    }
}

fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'X');
    out.extend((value.len() as u32).to_le_bytes());
    out.extend(value.as_bytes());
}

fn array(Array { code, dims, data }: &Array, out: &mut Vec<u8>) {
    let number = |value: usize, out: &mut Vec<u8>| {
        out.push(b'J');
        out.extend((value as i32).to_le_bytes());
    };
    // `_reconstruct(ndarray, (0,), b"b")`, then its state.
    out.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01(");
    dims.iter().for_each(|dim| number(*dim, out));
    out.extend(b"tcnumpy\ndtype\n");
    text(code, out);
    out.extend(b"\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89B");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out.extend(b"tb");
}
