//! What lies in buckets.

mod bucket;
