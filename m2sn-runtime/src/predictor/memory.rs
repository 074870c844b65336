//! What the allocator does with memory that is freed.
