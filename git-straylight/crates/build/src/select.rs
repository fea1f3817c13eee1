//! From labels on a command line to targets.

use std::sync::Arc;

use straylight_dice::Context;

use crate::error::{BuildError, BuildResult};
use crate::keys::{ListingKey, NamesKey, flatten};
use crate::label::{Label, PackagePath, Reference};
use crate::package::Names;

/// Returns the labels that `reference` means, sorted.
pub(crate) async fn select(ctx: &Context, reference: &Reference) -> BuildResult<Vec<Label>> {
    match reference {
        Reference::Target(label) => {
            let label = names(ctx, label.package()).await?.find(label.name())?;
            Ok(vec![label])
        }
        Reference::Package(path) => Ok(vec![names(ctx, path).await?.default_target()?]),
        Reference::Below(folder) => below(ctx, folder).await,
    }
}

async fn names(ctx: &Context, path: &PackagePath) -> BuildResult<Arc<Names>> {
    flatten(ctx.compute(&NamesKey(path.clone())).await)
}

async fn below(ctx: &Context, folder: &PackagePath) -> BuildResult<Vec<Label>> {
    let listed = ctx.compute(&ListingKey(folder.clone())).await;
    let listed = listed.map(|listed| listed.map_err(|error| Arc::new(BuildError::Tree(error))));
    let packages = flatten(listed)?;
    let keys = packages.packages.iter().cloned().map(NamesKey);
    let keys: Vec<NamesKey> = keys.collect();
    let mut labels = Vec::new();
    for names in ctx.join(&keys).await {
        labels.extend(flatten(names)?.labels()?);
    }
    if labels.is_empty() {
        let package = folder.clone();
        return Err(Arc::new(BuildError::NothingBelow { package }));
    }
    labels.sort();
    Ok(labels)
}
