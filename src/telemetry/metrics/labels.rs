//! The labels of a metric.

use std::borrow::Cow;

/// The labels of a metric: names and values.
pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
