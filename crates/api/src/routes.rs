//! The list of routes, kept beside the router so that the API's document can be held against it.

use axum::Router;
use axum::routing::MethodRouter;

/// One address and the methods that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The path, with its variable parts in braces.
    pub path: &'static str,
    /// Its methods, `", "` between them.
    pub methods: &'static str,
}

/// A router that remembers what it was given.
pub(crate) struct Routes<S> {
    router: Router<S>,
    list: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new() -> Self {
        Self {
            router: Router::new(),
            list: Vec::new(),
        }
    }

    /// `methods` must be those of the handler; a test asks for every one.
    pub(crate) fn at(
        mut self,
        path: &'static str,
        methods: &'static str,
        handler: MethodRouter<S>,
    ) -> Self {
        self.router = self.router.route(path, handler);
        self.list.push(Route { path, methods });
        self
    }

    pub(crate) fn merge(mut self, other: Routes<S>) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    pub(crate) fn map(mut self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = change(self.router);
        self
    }

    pub(crate) fn list(&self) -> &[Route] {
        &self.list
    }

    pub(crate) fn into_router(self) -> Router<S> {
        self.router
    }
}
