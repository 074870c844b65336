//! What the allocator does with memory that is freed.

/// Keeps freed memory in the process for the tensors to come, from the first call on and for the whole process.
///
/// glibc gives large blocks back to the system where they are freed, and gets them anew, page by page and set to zero,
/// for the next tensor: a cost per layer and call that grows with the batch. The price is that a process stays as
/// large as it has been at its largest, but for what [`give_back`] gives back.
///
/// With other allocators this does nothing.
pub(crate) fn keep_freed() {
    static ASKED: std::sync::Once = std::sync::Once::new();
    ASKED.call_once(|| {
        if !system::keep_freed() {
            tracing::debug!("the allocator does not keep freed memory");
        }
    });
}

/// Gives back to the system what has been freed, once and for the whole process: what was needed only to get ready.
///
/// With other allocators this does nothing.
pub(crate) fn give_back() {
    system::give_back();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod system {
    use std::ffi::c_int;

    const MEBIBYTE: c_int = 1 << 20;

    /// The largest block that comes from the heap, and the most that glibc before 2.35 takes for it.
    const MAP_FROM: [c_int; 2] = [1024 * MEBIBYTE, 32 * MEBIBYTE];
    /// How much free memory at the heap's end is too much.
    const TRIM_FROM: c_int = 1024 * MEBIBYTE;
    /// By how much more than asked for the heap grows.
    const GROW_BY: c_int = 64 * MEBIBYTE;

    pub(super) fn keep_freed() -> bool {
        MAP_FROM.into_iter().any(|size| set(libc::M_MMAP_THRESHOLD, size))
            && set(libc::M_TRIM_THRESHOLD, TRIM_FROM)
            && set(libc::M_TOP_PAD, GROW_BY)
    }

    #[expect(unsafe_code, reason = "as below")]
    pub(super) fn give_back() {
        // SAFETY: takes the allocator's own locks, and touches nothing that is not free.
        unsafe { libc::malloc_trim(0) };
    }

    #[expect(unsafe_code, reason = "glibc's own settings have no other door")]
    fn set(setting: c_int, value: c_int) -> bool {
        // SAFETY: sets a number under the allocator's own lock, whatever was allocated before.
        unsafe { libc::mallopt(setting, value) == 1 }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod system {
    pub(super) fn keep_freed() -> bool {
        false
    }

    pub(super) fn give_back() {}
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn the_allocator_takes_all_settings() {
        super::keep_freed();
        assert!(super::system::keep_freed());
    }
}
