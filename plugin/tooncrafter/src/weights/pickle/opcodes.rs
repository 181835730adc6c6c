//! Names of opcodes.

/// The official name of an unsupported opcode, for error messages.
pub(super) fn opcode_name(opcode: u8) -> String {
    let name = match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b'P' => "PERSID",
        b'I' => "INT",
        b'L' => "LONG",
        b'F' => "FLOAT",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'B' | b'C' | 0x8e => "BYTES",
        0x96 => "BYTEARRAY8",
        0x97 | 0x98 => "BUFFER",
        0x8b => "LONG4",
        0x8f..=0x91 => "SET",
        b'p' | b'g' => "text memo",
        _ => return format!("0x{opcode:02x}"),
    };
    format!("{name} (0x{opcode:02x})")
}
