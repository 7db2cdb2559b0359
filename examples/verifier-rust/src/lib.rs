//! well_lit: prefers pictures in which few pixels are nearly black or nearly white.
//!   score = mean over pixels of the product over channels of exp(-(I - 0.5)^2 / (2 s^2))
//! Source: Mertens, Kautz and Van Reeth, "Exposure Fusion", Pacific Graphics 2007: s = 0.2.
//!   [[verifier]]
//!   plugin = "org.example.well_lit"
//!   spread = 0.2

mod ffi;

use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// pixels[channels, size] in [0, 1]
fn score_one(pixels: &[f32], channels: usize, spread: f64) -> f64 {
    let size = pixels.len() / channels;
    let mut sum = 0.0;
    for i in 0..size {
        let squares: f64 = (0..channels)
            .map(|c| (f64::from(pixels[c * size + i]) - 0.5).powi(2))
            .sum();
        sum += (-squares / (2.0 * spread * spread)).exp();
    }
    sum / size as f64
}

struct WellLitVerifier {
    spread: f64,
}

impl WellLitVerifier {
    /// samples[n, channels, height, width]
    fn score(&self, samples: &[f32], shape: &[i64], scores: &mut [f32]) {
        let channels = shape[1] as usize;
        let item = samples.len() / scores.len();
        for (pixels, score) in samples.chunks_exact(item).zip(scores) {
            *score = score_one(pixels, channels, self.spread) as f32;
        }
    }
}

// ---- what follows hands the above to the host; a panic becomes an error of the call

const MANIFEST: &str = concat!(include_str!("../winnow-plugin.toml"), "\0");
const FIRST_OPTION: usize = position(MANIFEST.as_bytes(), b"[[plugin.option]]");

const fn position(text: &[u8], wanted: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let mut same = 0;
        while same < wanted.len() && text[at + same] == wanted[same] {
            same += 1;
        }
        if same == wanted.len() {
            return at;
        }
        at += 1;
    }
}

/// Runs `body`; its error, or its panic, becomes the error of the call.
fn fence(call: *const ffi::Call, body: impl FnOnce() -> Result<(), String>) -> ffi::Status {
    let text = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return ffi::OK,
        Ok(Err(text)) => text,
        Err(_) => "the plugin panicked".to_string(),
    };
    unsafe {
        let errors = &*(*call).errors;
        (errors.set)(
            errors.ctx,
            ffi::INTERNAL,
            text.as_ptr().cast(),
            text.len() as u64,
        );
    }
    ffi::INTERNAL
}

/// The host has checked all options against the manifest and filled in the defaults.
unsafe fn f64_option(
    options: *const *const ffi::PluginOption,
    n: u64,
    key: &str,
) -> Result<f64, String> {
    (0..n as usize)
        .map(|i| &**options.add(i))
        .find(|option| CStr::from_ptr(option.key.data).to_bytes() == key.as_bytes())
        .map(|option| option.f)
        .ok_or(format!("the host gave no option '{}'", key))
}

extern "C" fn create(
    _host: *const ffi::Host,
    options: *const *const ffi::PluginOption,
    n: u64,
    call: *const ffi::Call,
    out: *mut *mut ffi::Instance,
) -> ffi::Status {
    fence(call, || unsafe {
        let spread = f64_option(options, n, "spread")?;
        *out = Box::into_raw(Box::new(WellLitVerifier { spread })).cast();
        Ok(())
    })
}

extern "C" fn destroy(instance: *mut ffi::Instance) {
    drop(unsafe { Box::<WellLitVerifier>::from_raw(instance.cast()) });
}

extern "C" fn info(_instance: *mut ffi::Instance, out: *mut ffi::VerifierInfo) -> ffi::Status {
    let out = unsafe { &mut *out };
    out.flags = ffi::F_REENTRANT | ffi::F_BATCH_INVARIANT | ffi::F_DETERMINISTIC;
    out.n_heads = 1;
    out.preview_time = -1.0;
    ffi::OK
}

extern "C" fn score(
    instance: *mut ffi::Instance,
    call: *const ffi::Call,
    batch: *const ffi::VerifierBatch,
    scores: *mut f32,
    _status: *mut ffi::Status,
) -> ffi::Status {
    fence(call, || unsafe {
        let verifier = &*instance.cast::<WellLitVerifier>();
        let samples = &*(*batch).samples; // float32, compact, on the CPU
        let shape = std::slice::from_raw_parts(samples.shape, samples.ndim as usize);
        let size = shape.iter().product::<i64>() as usize;
        let first = samples.data.cast::<u8>().add(samples.byte_offset as usize);
        verifier.score(
            std::slice::from_raw_parts(first.cast::<f32>(), size),
            shape,
            std::slice::from_raw_parts_mut(scores, (*batch).n as usize),
        );
        Ok(())
    })
}

extern "C" fn get_interface(id: *const c_char) -> *const c_void {
    static VERIFIER: ffi::Verifier1 = ffi::Verifier1 { info, score };
    match unsafe { CStr::from_ptr(id) }.to_bytes() == ffi::VERIFIER_1 {
        true => (&VERIFIER as *const ffi::Verifier1).cast(),
        false => std::ptr::null(),
    }
}

static PLUGIN: ffi::Plugin1 = ffi::Plugin1 {
    id: b"org.example.well_lit\0".as_ptr().cast(),
    kind: b"verifier\0".as_ptr().cast(),
    version: b"1.0.0\0".as_ptr().cast(), // as in the manifest
    options_toml: unsafe { MANIFEST.as_ptr().add(FIRST_OPTION) }.cast(),
    create,
    destroy,
    get_interface,
};
static PLUGINS: [&ffi::Plugin1; 1] = [&PLUGIN];

/// # Safety
/// Called by the host only, with its own structs.
#[no_mangle]
pub unsafe extern "C" fn wn_plugin_negotiate_v1(
    host: *const ffi::Loader,
    plugin: *mut ffi::Library,
) -> ffi::Status {
    let status = ffi::negotiate(host, plugin);
    if status == ffi::OK {
        (*plugin).plugins = PLUGINS.as_ptr().cast();
        (*plugin).n_plugins = 1;
    }
    status
}
