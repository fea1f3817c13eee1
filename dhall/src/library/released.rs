/// Written by the example `release`.
const RELEASED: &[Released] = &[];
