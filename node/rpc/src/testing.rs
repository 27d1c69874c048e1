//! A node for the tests beside the code.

use entente_driver::{Node, NodeConfig};
use entente_testing::{genesis, key, node_folder};
use tempfile::TempDir;

/// A running node in memory, and its folder.
pub(crate) fn node() -> (TempDir, Node) {
    let key = key(200);
    let folder = node_folder(&genesis(std::slice::from_ref(&key)), &key, "[storage]\nengine = \"memory\"\n");
    let config = NodeConfig::read(folder.path()).unwrap();
    let node = Node::start(folder.path(), &config).unwrap();
    (folder, node)
}
