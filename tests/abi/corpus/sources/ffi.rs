//! ffi: the part of winnow.h (plugin ABI 1.0) that a verifier needs. Field by field as there, where
//! units, owners and lifetimes are written down too.
#![allow(dead_code)]

use std::os::raw::{c_char, c_void};

pub type Status = i32;
pub const OK: Status = 0;
pub const INTERNAL: Status = 13;
pub const INVALID_ARGUMENT: Status = 3;
pub const INCOMPATIBLE: Status = 100;

pub const MAGIC: u32 = 0x3157_4E57;
pub const VERIFIER_1: &[u8] = b"wn.verifier/1";
pub const F_REENTRANT: u32 = 1;
pub const F_BATCH_INVARIANT: u32 = 4;
pub const F_DETERMINISTIC: u32 = 8;

/// What the host only hands back: the plugin's own object behind a pointer.
pub enum Instance {}
pub enum Host {}

#[repr(C)]
pub struct Str {
    pub data: *const c_char,
    pub size: u64,
}

#[repr(C)]
pub struct Dtype {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

#[repr(C)]
pub struct Device {
    pub kind: i32,
    pub id: i32,
}

#[repr(C)]
pub struct Tensor {
    pub data: *mut c_void,
    pub device: Device,
    pub ndim: i32,
    pub dtype: Dtype,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

#[repr(C)]
pub struct Errors {
    pub struct_size: u32,
    pub reserved0: u32,
    pub ctx: *mut c_void,
    pub set: extern "C" fn(*mut c_void, Status, *const c_char, u64),
    pub set_item: extern "C" fn(*mut c_void, u64, Status, *const c_char, u64),
}

/// The fields after `errors` are left out: the host owns it, and it is only read.
#[repr(C)]
pub struct Call {
    pub struct_size: u32,
    pub flags: u32,
    pub ctx: *mut c_void,
    pub errors: *const Errors,
}

#[repr(C)]
pub struct PluginOption {
    pub struct_size: u32,
    pub kind: u32,
    pub key: Str,
    pub i: i64,
    pub f: f64,
    pub s: Str,
    pub list: *const c_void,
    pub list_len: u64,
}

#[repr(C)]
pub struct VerifierInfo {
    pub struct_size: u32,
    pub flags: u32,
    pub n_heads: u32,
    pub preferred_batch: u32,
    pub max_batch: u32,
    pub reserved0: u32,
    pub preview_time: f64,
}

#[repr(C)]
pub struct VerifierBatch {
    pub struct_size: u32,
    pub reserved0: u32,
    pub n: u64,
    pub samples: *const Tensor,
    pub conditions: *const *const c_void,
    pub candidate_ids: *const u64,
    pub previews: *const Tensor,
}

#[repr(C)]
pub struct Verifier1 {
    pub info: extern "C" fn(*mut Instance, *mut VerifierInfo) -> Status,
    pub score: extern "C" fn(
        *mut Instance,
        *const Call,
        *const VerifierBatch,
        *mut f32,
        *mut Status,
    ) -> Status,
}

#[repr(C)]
pub struct Plugin1 {
    pub id: *const c_char,
    pub kind: *const c_char,
    pub version: *const c_char,
    pub options_toml: *const c_char,
    pub create: extern "C" fn(
        *const Host,
        *const *const PluginOption,
        u64,
        *const Call,
        *mut *mut Instance,
    ) -> Status,
    pub destroy: extern "C" fn(*mut Instance),
    pub get_interface: extern "C" fn(*const c_char) -> *const c_void,
}

// All that it points to is constant.
unsafe impl Sync for Plugin1 {}

#[repr(C)]
pub struct Loader {
    pub struct_size: u32,
    pub magic: u32,
    pub min_minor: u32,
    pub max_minor: u32,
    pub errors: *const Errors,
    pub host_name: Str,
    pub host_version: Str,
    pub library_dir: Str,
}

#[repr(C)]
pub struct Library {
    pub struct_size: u32,
    pub magic: u32,
    pub min_minor: u32,
    pub max_minor: u32,
    pub minor: u32,
    pub pointer_bits: u32,
    pub sdk_version: *const c_char,
    pub n_plugins: u32,
    pub reserved0: u32,
    pub plugins: *const *const Plugin1,
    pub shutdown: Option<extern "C" fn()>,
}

// The sizes on a 64-bit machine, as the C compiler gives them.
const _: () = assert!(std::mem::size_of::<Tensor>() == 48);
const _: () = assert!(std::mem::size_of::<PluginOption>() == 72);
const _: () = assert!(std::mem::size_of::<VerifierInfo>() == 32);
const _: () = assert!(std::mem::size_of::<VerifierBatch>() == 48);
const _: () = assert!(std::mem::size_of::<Plugin1>() == 56);
const _: () = assert!(std::mem::size_of::<Loader>() == 72);
const _: () = assert!(std::mem::size_of::<Library>() == 56);

/// What wn_negotiate() of winnow.h does, for a plugin of minor 0.
///
/// # Safety
/// Both pointers are what the host handed to wn_plugin_negotiate_v1, or null.
pub unsafe fn negotiate(host: *const Loader, plugin: *mut Library) -> Status {
    if host.is_null() || plugin.is_null() || (*host).magic != MAGIC {
        return INCOMPATIBLE;
    }
    if ((*plugin).struct_size as usize) < std::mem::size_of::<Library>() {
        return INCOMPATIBLE;
    }
    (*plugin).magic = MAGIC;
    (*plugin).min_minor = 0;
    (*plugin).max_minor = 0;
    (*plugin).pointer_bits = usize::BITS;
    (*plugin).sdk_version = b"1.0.0-rc.1\0".as_ptr().cast();
    (*plugin).minor = 0;
    if (*host).min_minor > 0 {
        return INCOMPATIBLE;
    }
    OK
}
