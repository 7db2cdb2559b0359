//! rust.rs: of the corpus of binaries: a verifier in Rust with its standard library, on ffi.rs.
//!   score = mean over neighbours in a row of |I[x+1] - I[x]|; candidates whose number is divisible
//!   by seven fail

mod ffi;

use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

struct Contrast {
    scale: f64,
}

impl Contrast {
    fn score_one(&self, pixels: &[f32], width: usize) -> f64 {
        let mut sum = 0.0;
        for row in pixels.chunks_exact(width) {
            for pair in row.windows(2) {
                sum += (f64::from(pair[1]) - f64::from(pair[0])).abs();
            }
        }
        self.scale * sum / pixels.len() as f64
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
        (errors.set)(errors.ctx, ffi::INTERNAL, text.as_ptr().cast(), text.len() as u64);
    }
    ffi::INTERNAL
}

extern "C" fn create(
    _host: *const ffi::Host,
    options: *const *const ffi::PluginOption,
    n: u64,
    call: *const ffi::Call,
    out: *mut *mut ffi::Instance,
) -> ffi::Status {
    fence(call, || unsafe {
        let scale = (0..n as usize)
            .map(|i| &**options.add(i))
            .find(|option| CStr::from_ptr(option.key.data).to_bytes() == b"scale")
            .map(|option| option.f)
            .ok_or("the host gave no option 'scale'".to_string())?;
        *out = Box::into_raw(Box::new(Contrast { scale })).cast();
        Ok(())
    })
}

extern "C" fn destroy(instance: *mut ffi::Instance) {
    drop(unsafe { Box::<Contrast>::from_raw(instance.cast()) });
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
    status: *mut ffi::Status,
) -> ffi::Status {
    fence(call, || unsafe {
        let contrast = &*instance.cast::<Contrast>();
        let batch = &*batch;
        let samples = &*batch.samples;
        let shape = std::slice::from_raw_parts(samples.shape, samples.ndim as usize);
        let item = shape[1..].iter().product::<i64>() as usize;
        let first = samples.data.cast::<u8>().add(samples.byte_offset as usize).cast::<f32>();
        for i in 0..batch.n as usize {
            let candidate = *batch.candidate_ids.add(i);
            if candidate % 7 == 0 {
                let text = format!("{} is divisible by seven", candidate);
                let errors = &*(*call).errors;
                let code = ffi::INVALID_ARGUMENT;
                *status.add(i) = code;
                let size = text.len() as u64;
                (errors.set_item)(errors.ctx, i as u64, code, text.as_ptr().cast(), size);
                continue;
            }
            let pixels = std::slice::from_raw_parts(first.add(i * item), item);
            *scores.add(i) = contrast.score_one(pixels, shape[3] as usize) as f32;
        }
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

const OPTIONS: &str = "[[plugin.option]]\nkey = \"scale\"\ntype = \"f64\"\ndefault = 2.0\n\0";

static PLUGIN: ffi::Plugin1 = ffi::Plugin1 {
    id: b"corpus.rust.verifier\0".as_ptr().cast(),
    kind: b"verifier\0".as_ptr().cast(),
    version: b"1.0.0\0".as_ptr().cast(),
    options_toml: OPTIONS.as_ptr().cast(),
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
