//! tests/devstack
