//! An action of ours on a server of the Remote Execution API that we did not
//! write: the same digest, the same output.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bazel_remote_apis::build::bazel::remote::execution::v2 as api;
use bazel_remote_apis::google::bytestream::WriteRequest;
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::longrunning::operation::Result as Ended;
use bazel_remote_apis::google::rpc::Status;
use straylight_exec::merkle::{self, Node, TreeError};
use straylight_exec::{BuiltAction, Cancellation, Executor as _, OutputContent};
use straylight_odb::{ContentStore as _, Digest, LocalStore};
use tonic::transport::Channel;

use crate::support::{self, Task};

/// So much goes into one message; servers take 4 MiB.
const AT_ONCE: usize = 2 << 20;

/// A buildbox-casd of the test's own.
struct Server {
    folder: tempfile::TempDir,
    port: String,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let started = casd("start", folder.path());
        let told = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(started.status.success(), "{told}");
        let port = String::from_utf8(started.stdout).unwrap().trim().to_owned();
        Self { folder, port }
    }

    async fn channel(&self) -> Channel {
        let address = format!("http://127.0.0.1:{}", self.port);
        let channel = Channel::from_shared(address).unwrap();
        channel.connect().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = casd("stop", self.folder.path());
        assert!(stopped.status.success() || std::thread::panicking());
    }
}

fn casd(what: &str, folder: &Path) -> std::process::Output {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../../tests/support/casd"]
        .iter()
        .collect();
    let mut command = Command::new(script);
    command.arg(what).arg(folder).output().unwrap()
}

fn message(digest: &Digest) -> api::Digest {
    api::Digest {
        hash: digest.sha256().to_string(),
        size_bytes: i64::try_from(digest.size()).unwrap(),
    }
}

/// Every blob that the tree with this root is made of.
fn blobs(store: &LocalStore, root: &Digest) -> Vec<Digest> {
    let mut blobs = vec![*root, Digest::of(b"")];
    merkle::walk(store, root, &mut |_, node| {
        if let Node::File { digest, .. } | Node::Directory { digest } = node {
            blobs.push(*digest);
        }
        Ok::<_, TreeError>(())
    })
    .unwrap();
    blobs
}

/// Uploads what the server says that it lacks.
async fn upload(channel: &Channel, blobs: &HashMap<Digest, Vec<u8>>) {
    use api::content_addressable_storage_client::ContentAddressableStorageClient;
    let mut cas = ContentAddressableStorageClient::new(channel.clone());
    let asked = api::FindMissingBlobsRequest {
        blob_digests: blobs.keys().map(message).collect(),
        ..Default::default()
    };
    let missing = cas.find_missing_blobs(asked).await.unwrap().into_inner();
    let mut batch = api::BatchUpdateBlobsRequest::default();
    let mut size = 0;
    for digest in missing.missing_blob_digests {
        let text = format!("{}/{}", digest.hash, digest.size_bytes);
        let data = &blobs[&text.parse::<Digest>().unwrap()];
        if data.len() > AT_ONCE {
            write(channel, &text, data).await;
            continue;
        }
        if size + data.len() > AT_ONCE {
            send(&mut cas, std::mem::take(&mut batch)).await;
            size = 0;
        }
        size += data.len();
        batch
            .requests
            .push(api::batch_update_blobs_request::Request {
                digest: Some(digest),
                data: data.clone(),
                ..Default::default()
            });
    }
    send(&mut cas, batch).await;
}

async fn send(
    cas: &mut api::content_addressable_storage_client::ContentAddressableStorageClient<Channel>,
    batch: api::BatchUpdateBlobsRequest,
) {
    let answer = cas.batch_update_blobs(batch).await.unwrap().into_inner();
    for response in answer.responses {
        assert_eq!(response.status.unwrap_or_default().code, 0);
    }
}

/// Uploads a large blob, in pieces.
async fn write(channel: &Channel, text: &str, data: &[u8]) {
    let name = format!("uploads/00000000-0000-0000-0000-000000000000/blobs/{text}");
    let count = data.chunks(AT_ONCE).count();
    let pieces = data.chunks(AT_ONCE).enumerate();
    let requests: Vec<WriteRequest> = pieces
        .map(|(number, piece)| WriteRequest {
            resource_name: name.clone(),
            write_offset: i64::try_from(number * AT_ONCE).unwrap(),
            finish_write: number + 1 == count,
            data: piece.to_vec(),
        })
        .collect();
    let mut stream = ByteStreamClient::new(channel.clone());
    let requests = futures::stream::iter(requests);
    let written = stream.write(requests).await.unwrap().into_inner();
    assert_eq!(written.committed_size, i64::try_from(data.len()).unwrap());
}

/// Executes the action with this digest, and waits for its end.
async fn execute(channel: &Channel, action: &Digest) -> api::ExecuteResponse {
    let mut client = api::execution_client::ExecutionClient::new(channel.clone());
    let request = api::ExecuteRequest {
        action_digest: Some(message(action)),
        ..Default::default()
    };
    let mut operations = client.execute(request).await.unwrap().into_inner();
    loop {
        let operation = operations.message().await.unwrap().expect("an end");
        if operation.done {
            return match operation.result {
                Some(Ended::Response(any)) => prost::Message::decode(&any.value[..]).unwrap(),
                other => panic!("{other:?}"),
            };
        }
    }
}

fn compile(store: &LocalStore, cc: &str) -> BuiltAction {
    let arguments = [
        cc,
        "-O2",
        "-g",
        "-Isrc",
        "-c",
        "src/answer.c",
        "-o",
        "out/answer.o",
    ];
    Task::new(support::gcc(store), &arguments)
        .file(
            store,
            "src/answer.c",
            "#include <stdio.h>\n#include \"answer.h\"\nint answer(void) { return puts(WHAT); }\n",
        )
        .file(store, "src/answer.h", "#define WHAT \"42\"\n")
        .out("out/answer.o")
        .build(store)
}

#[test]
fn a_compile_is_the_same_on_another_server() {
    let store = support::shared_store();
    let action = compile(&store, "/usr/bin/gcc");
    let executor = support::executor(&store);
    let ours = executor.execute(&action.request(), &Cancellation::new(), &|_| {});
    let ours = ours.unwrap();
    let [output] = &ours.outputs[..] else {
        panic!("{ours:?}")
    };
    let OutputContent::File { digest, .. } = output.content else {
        panic!("{output:?}")
    };

    let request = action.request();
    let mut all = HashMap::new();
    for root in [request.input_root, request.toolchain.unwrap()] {
        for blob in blobs(&store, &root) {
            let bytes = match blob.size() {
                0 => Vec::new(),
                _ => store.read(&blob).unwrap().unwrap().to_vec(),
            };
            all.insert(blob, bytes);
        }
    }
    all.insert(action.command_digest(), action.command_bytes.clone());
    all.insert(action.digest, action.bytes.clone());

    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (first, second) = runtime.block_on(async {
        let channel = server.channel().await;
        upload(&channel, &all).await;
        let first = execute(&channel, &action.digest).await;
        (first, execute(&channel, &action.digest).await)
    });
    assert_eq!(first.status.clone().unwrap_or_default(), Status::default());
    let result = first.result.unwrap();
    let stderr = String::from_utf8_lossy(&result.stderr_raw);
    assert_eq!(result.exit_code, 0, "{stderr}");
    let [theirs] = &result.output_files[..] else {
        panic!("{result:?}")
    };
    assert_eq!(theirs.path, output.path);
    assert_eq!(theirs.digest, Some(message(&digest)));
    // What it did is known there under the digest that we gave it.
    assert!(!first.cached_result && second.cached_result);
    assert_eq!(second.result.unwrap().output_files, result.output_files);
}
