//! From typed pieces to a command line and the files it needs.
//!
//! Paths are those of the sandbox, relative to its working folder: sources at
//! their paths in the repository, outputs at `out/<package>/<target>/…`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use straylight_exec::coeffects::Grade;
use straylight_odb::Digest;

use crate::analyse::{Analysed, Declared};
use crate::build::placed;
use crate::error::BuildResult;
use crate::keys::{ActionKey, Step};
use crate::materialize::Materializer;
use crate::path;
use crate::sets;
use crate::target::{
    Action, Argument, Artifact, Coeffect, Folder, Mention, Piece, Pinned, SetRef, Source, Test,
    Variable,
};

/// A command before its inputs are known by their digests.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) arguments: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// By the path in the sandbox.
    pub(crate) inputs: BTreeMap<String, Input>,
    /// Those of the inputs that the command line names.
    pub(crate) named: BTreeSet<String>,
    /// Paths in the sandbox, as declared.
    pub(crate) outputs: Vec<String>,
    /// Those of them that are complete before the command ends.
    pub(crate) early: Vec<String>,
    /// Which of the outputs lists what the command read.
    pub(crate) dep_file: Option<String>,
    pub(crate) root: Option<Digest>,
    /// What it needs beyond its inputs.
    pub(crate) needs: Grade,
    pub(crate) timeout: Option<Duration>,
}

/// A program that runs outside a sandbox, and what it reads there.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) arguments: Vec<String>,
    /// By the path that a sandbox would have.
    pub(crate) inputs: BTreeMap<String, Input>,
}

/// Where the bytes of an input come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A file of the repository, which `written` in the package calls so.
    Source { path: String, written: String },
    /// An output of another action.
    Made(ActionKey),
    /// An output that is complete before the action that makes it ends.
    Early(ActionKey),
    /// Bytes by hash, and where they were first found.
    Pinned { digest: Digest, urls: Vec<String> },
}

impl Input {
    /// Returns the action that makes the input.
    pub(crate) fn maker(&self) -> Option<&ActionKey> {
        match self {
            Self::Made(key) | Self::Early(key) => Some(key),
            Self::Source { .. } | Self::Pinned { .. } => None,
        }
    }
}

/// A file whose lines are arguments.
pub(crate) struct ArgumentFile {
    /// Where a sandbox would have it.
    pub(crate) path: String,
    pub(crate) input: Input,
}

/// The lines of files, by where a sandbox would have them.
pub(crate) type Lines = BTreeMap<String, Vec<String>>;

/// Returns the files whose lines are arguments of a target's `run`.
pub(crate) fn run_files(analysed: &Arc<Analysed>) -> BuildResult<Vec<ArgumentFile>> {
    let run = analysed.declared.target.run.as_ref();
    files_of(analysed, run.map_or(&[], |run| &run.arguments), None)
}

/// Returns the files whose lines are arguments of a step, or variables of its
/// environment.
pub(crate) fn argument_files(
    analysed: &Arc<Analysed>,
    step: Step,
) -> BuildResult<Vec<ArgumentFile>> {
    let (arguments, action) = command_line(analysed, step);
    files_of(analysed, arguments, action)
}

fn files_of(
    analysed: &Arc<Analysed>,
    arguments: &[Argument],
    action: Option<&Action>,
) -> BuildResult<Vec<ArgumentFile>> {
    let mut lowering = Lowering::new(analysed, action);
    for argument in arguments {
        if let Argument::FromFile(source) = argument {
            lowering.source(analysed, source)?;
        }
    }
    for source in action.iter().flat_map(|action| &action.env_files) {
        lowering.source(analysed, source)?;
    }
    let files = lowering.inputs.into_iter();
    Ok(files
        .map(|(path, input)| ArgumentFile { path, input })
        .collect())
}

fn command_line(analysed: &Arc<Analysed>, step: Step) -> (&[Argument], Option<&Action>) {
    let target = &analysed.declared.target;
    match step {
        Step::Action(index) => {
            let action = &target.actions[index];
            (&action.arguments, Some(action))
        }
        Step::Test => (&test_of(analysed).arguments, None),
    }
}

fn test_of(analysed: &Arc<Analysed>) -> &Test {
    let test = analysed.declared.target.test.as_ref();
    test.expect("the step exists when the target has a test")
}

/// Lowers one step of a target. `lines` has what its argument files say.
pub(crate) fn lower(analysed: &Arc<Analysed>, step: Step, lines: Lines) -> BuildResult<Lowered> {
    match step {
        Step::Action(index) => {
            let action = &analysed.declared.target.actions[index];
            lower_action(analysed, action, lines)
        }
        Step::Test => lower_test(analysed, test_of(analysed), lines),
    }
}

fn lower_action(analysed: &Arc<Analysed>, action: &Action, lines: Lines) -> BuildResult<Lowered> {
    let declared = &analysed.declared;
    let mut lowering = Lowering::new(analysed, Some(action));
    lowering.lines = lines;
    for source in &action.inputs {
        lowering.source(analysed, source)?;
    }
    lowering.arguments(&action.arguments)?;
    let mut env = BTreeMap::new();
    for source in &action.env_files {
        lowering.variables(source, &mut env)?;
    }
    env.extend(environment(declared, &action.env)?);
    Ok(Lowered {
        arguments: lowering.arguments,
        inputs: lowering.inputs,
        named: lowering.named,
        env,
        outputs: action.paths().map(|path| declared.staged(path)).collect(),
        early: action.early().map(|path| declared.staged(path)).collect(),
        dep_file: (action.dep_file.as_ref()).map(|path| declared.staged(path)),
        root: root(declared, action.root.as_ref())?,
        needs: needs(declared, &action.requires)?,
        timeout: action.timeout_seconds.map(Duration::from_secs),
    })
}

fn lower_test(analysed: &Arc<Analysed>, test: &Test, lines: Lines) -> BuildResult<Lowered> {
    let declared = &analysed.declared;
    let mut lowering = Lowering::new(analysed, None);
    lowering.lines = lines;
    for source in &declared.target.data {
        lowering.source(analysed, source)?;
    }
    lowering.arguments(&test.arguments)?;
    Ok(Lowered {
        arguments: lowering.arguments,
        inputs: lowering.inputs,
        named: lowering.named,
        env: environment(declared, &test.env)?,
        outputs: Vec::new(),
        early: Vec::new(),
        dep_file: None,
        root: root(declared, test.root.as_ref())?,
        needs: Grade::pure(),
        timeout: Some(Duration::from_secs(test.timeout_seconds)),
    })
}

/// Returns the command line of a target's `run`, and what it needs. Paths on
/// the command line are absolute, in the work tree. `lines` has what its argument
/// files say.
pub(crate) fn lower_run(
    analysed: &Arc<Analysed>,
    materializer: &Materializer,
    lines: Lines,
) -> BuildResult<Option<Program>> {
    let Some(run) = &analysed.declared.target.run else {
        return Ok(None);
    };
    let mut lowering = Lowering::new(analysed, None);
    lowering.materializer = Some(materializer);
    lowering.lines = lines;
    for source in &analysed.declared.target.data {
        lowering.source(analysed, source)?;
    }
    lowering.arguments(&run.arguments)?;
    Ok(Some(Program {
        arguments: lowering.arguments,
        inputs: lowering.inputs,
    }))
}

/// A command as an editor shows it.
pub(crate) struct Shown {
    /// The file that it compiles.
    pub(crate) source: String,
    pub(crate) program: Program,
}

/// Returns the command of an action that compiles `source`, as it would be in the
/// work tree. What argument files say is not among the arguments.
pub(crate) fn lower_shown(
    analysed: &Arc<Analysed>,
    action: &Action,
    source: &Source,
    materializer: &Materializer,
) -> BuildResult<Shown> {
    let mut lowering = Lowering::new(analysed, Some(action));
    lowering.materializer = Some(materializer);
    let source = lowering.source(analysed, source)?;
    for source in &action.inputs {
        lowering.source(analysed, source)?;
    }
    lowering.arguments(&action.arguments)?;
    Ok(Shown {
        source,
        program: Program {
            arguments: lowering.arguments,
            inputs: lowering.inputs,
        },
    })
}

/// Returns where a source lies in the work tree, or will.
pub(crate) fn source_on_disk(
    analysed: &Arc<Analysed>,
    source: &Source,
    materializer: &Materializer,
) -> BuildResult<String> {
    let mut lowering = Lowering::new(analysed, None);
    lowering.materializer = Some(materializer);
    lowering.source(analysed, source)
}

struct Lowering<'a> {
    reader: &'a Arc<Analysed>,
    action: Option<&'a Action>,
    arguments: Vec<String>,
    inputs: BTreeMap<String, Input>,
    named: BTreeSet<String>,
    /// Whether what is looked at is part of an argument.
    on_command_line: bool,
    /// What argument files say.
    lines: Lines,
    /// Set when the command runs on disk and not in a sandbox.
    materializer: Option<&'a Materializer>,
}

impl<'a> Lowering<'a> {
    fn new(reader: &'a Arc<Analysed>, action: Option<&'a Action>) -> Self {
        Self {
            reader,
            action,
            arguments: Vec::new(),
            inputs: BTreeMap::new(),
            named: BTreeSet::new(),
            on_command_line: false,
            lines: Lines::new(),
            materializer: None,
        }
    }

    /// Returns how the command line spells the path of an output.
    fn spell(&self, target: &Declared, path: &str) -> String {
        let Some(materializer) = self.materializer else {
            return target.staged(path);
        };
        let below = path::join(&target.label.output_folder(), path);
        materializer.on_disk(&materializer.place(&placed(&target.configuration, &below)))
    }

    /// Returns how the command line spells the path of a source.
    fn spell_source(&self, path: String) -> String {
        match self.materializer {
            Some(materializer) => materializer.on_disk(&path),
            None if path.is_empty() => ".".to_owned(),
            None => path,
        }
    }

    fn arguments(&mut self, arguments: &[Argument]) -> BuildResult<()> {
        for argument in arguments {
            match argument {
                Argument::Pieces(pieces) => {
                    let text = self.pieces(self.reader, pieces)?;
                    self.arguments.push(text);
                }
                Argument::Each { of, prefix } => self.each(of, prefix)?,
                Argument::FromFile(source) => self.argument_file(source)?,
            }
        }
        Ok(())
    }

    /// The lines of a file are arguments; the file itself is no input.
    fn argument_file(&mut self, source: &Source) -> BuildResult<()> {
        let (_, lines) = self.said(source)?;
        self.arguments.extend(lines);
        Ok(())
    }

    /// The lines of a file are variables; the file itself is no input. Later
    /// lines win.
    fn variables(&self, source: &Source, env: &mut BTreeMap<String, String>) -> BuildResult<()> {
        let (path, lines) = self.said(source)?;
        for (number, line) in (1..).zip(lines) {
            match line.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    env.insert(name.to_owned(), value.to_owned());
                }
                _ if line.is_empty() => {}
                _ => {
                    let problem =
                        format!("line {number} of `{path}` is not `NAME=value`: `{line}`");
                    return Err(self.reader.declared.malformed(&path, problem));
                }
            }
        }
        Ok(())
    }

    /// Returns where a sandbox would have a file, and what its lines say.
    fn said(&self, source: &Source) -> BuildResult<(String, Vec<String>)> {
        let mut other = Lowering::new(self.reader, self.action);
        other.source(self.reader, source)?;
        let path = other.inputs.into_keys().next().unwrap_or_default();
        let lines = self.lines.get(&path).cloned();
        Ok((path, lines.unwrap_or_default()))
    }

    fn each(&mut self, of: &SetRef, prefix: &str) -> BuildResult<()> {
        let roots = sets::Node::dependencies(&**self.reader);
        for node in sets::walk(roots, of.reach, of.order) {
            for contribution in &node.declared.target.sets {
                if contribution.set != of.set {
                    continue;
                }
                for item in &contribution.items {
                    let text = self.pieces(&node, item)?;
                    self.arguments.push(format!("{prefix}{text}"));
                }
                for source in &contribution.inputs {
                    self.source(&node, source)?;
                }
            }
        }
        Ok(())
    }

    /// `owner` is the target that wrote the pieces.
    fn pieces(&mut self, owner: &Arc<Analysed>, pieces: &[Piece]) -> BuildResult<String> {
        let mut text = String::new();
        let above = std::mem::replace(&mut self.on_command_line, true);
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Source(source) => text.push_str(&self.source(owner, source)?),
                Piece::Folder(folder) => text.push_str(&self.folder(owner, folder)?),
                Piece::Out(path) => text.push_str(&self.out(owner, path)?),
                Piece::Tool(label) => text.push_str(&self.tool(owner, label)?),
            }
        }
        self.on_command_line = above;
        Ok(text)
    }

    fn source(&mut self, owner: &Arc<Analysed>, source: &Source) -> BuildResult<String> {
        match source {
            Source::File(written) => {
                path::check(written).map_err(|reason| {
                    owner
                        .declared
                        .malformed(written, format!("`{written}` is not a source: {reason}"))
                })?;
                let path = owner.declared.label.package().join(written);
                let input = Input::Source {
                    path: path.clone(),
                    written: written.clone(),
                };
                self.input(&owner.declared, path.clone(), input)?;
                Ok(self.spell_source(path))
            }
            Source::Output { target, output } => {
                let target = owner.mentioned(&Mention::target(target));
                let path = target.declared.output_path(output);
                self.made(owner, target, path)
            }
            Source::Pinned(pinned) => self.pinned(&owner.declared, pinned),
        }
    }

    fn folder(&self, owner: &Arc<Analysed>, folder: &Folder) -> BuildResult<String> {
        match folder {
            Folder::Root => Ok(self.spell_source(String::new())),
            Folder::Package(path) => {
                if !path.is_empty() {
                    path::check(path).map_err(|reason| {
                        owner
                            .declared
                            .malformed(path, format!("`{path}` is not a folder: {reason}"))
                    })?;
                }
                Ok(self.spell_source(owner.declared.label.package().join(path)))
            }
            Folder::Outputs(label) => {
                let target = owner.mentioned(&Mention::target(label));
                Ok(self.spell(&target.declared, ""))
            }
        }
    }

    fn out(&mut self, owner: &Arc<Analysed>, path: &str) -> BuildResult<String> {
        let declares = |action: &Action| action.paths().any(|output| output == path);
        if Arc::ptr_eq(owner, self.reader) && self.action.is_some_and(declares) {
            return Ok(self.spell(&owner.declared, path));
        }
        self.made(owner, owner, path)
    }

    /// The program of another target, and the files that it reads.
    fn tool(&mut self, owner: &Arc<Analysed>, label: &str) -> BuildResult<String> {
        let tool = Arc::clone(owner.mentioned(&Mention::tool(label)));
        let arguments = tool
            .declared
            .target
            .run
            .as_ref()
            .map(|run| &run.arguments[..]);
        let Some([Argument::Pieces(program)]) = arguments else {
            let problem = match arguments {
                None => format!("`{}` is not a program", tool.declared.label),
                Some(_) => format!(
                    "`{}` runs with arguments of its own; a tool is one program",
                    tool.declared.label
                ),
            };
            return Err(owner.declared.malformed(label, problem));
        };
        for source in &tool.declared.target.data {
            self.source(&tool, source)?;
        }
        self.pieces(&tool, program)
    }

    fn made(
        &mut self,
        owner: &Arc<Analysed>,
        target: &Arc<Analysed>,
        path: &str,
    ) -> BuildResult<String> {
        let Some((index, made)) = target.declared.producer(path) else {
            let problem = format!("`{}` has no output `{path}`", target.declared.label);
            return Err(owner.declared.malformed(path, problem));
        };
        let key = ActionKey {
            label: target.declared.label.clone(),
            configuration: target.declared.configuration,
            step: Step::Action(index),
        };
        let is_early = target.declared.target.actions[index]
            .early()
            .any(|early| early == made);
        let input = if is_early {
            Input::Early(key)
        } else {
            Input::Made(key)
        };
        self.input(&owner.declared, target.declared.staged(made), input)?;
        Ok(self.spell(&target.declared, path))
    }

    fn pinned(&mut self, owner: &Declared, pinned: &Pinned) -> BuildResult<String> {
        path::check(&pinned.path).map_err(|reason| {
            let problem = format!("the pinned path `{}` has no place: {reason}", pinned.path);
            owner.malformed(&pinned.path, problem)
        })?;
        let sha256 = (pinned.sha256.parse())
            .map_err(|error| owner.malformed(&pinned.sha256, format!("{error}")))?;
        let input = Input::Pinned {
            digest: Digest::new(sha256, pinned.size),
            urls: pinned.urls.clone(),
        };
        self.input(owner, owner.staged(&pinned.path), input)?;
        Ok(self.spell(owner, &pinned.path))
    }

    fn input(&mut self, owner: &Declared, path: String, input: Input) -> BuildResult<()> {
        if self.on_command_line {
            self.named.insert(path.clone());
        }
        if let Some(known) = self.inputs.get(&path) {
            if !same_bytes(known, &input) {
                let problem = format!("two different inputs would be at `{path}`");
                return Err(owner.malformed(&path, problem));
            }
        } else {
            self.inputs.insert(path, input);
        }
        Ok(())
    }
}

/// Two packages may list one file, each in its own words.
fn same_bytes(a: &Input, b: &Input) -> bool {
    match (a, b) {
        (Input::Source { path: a, .. }, Input::Source { path: b, .. }) => a == b,
        (Input::Pinned { digest: a, .. }, Input::Pinned { digest: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

/// Returns what an action needs together.
pub(crate) fn needs(declared: &Declared, requires: &[Coeffect]) -> BuildResult<Grade> {
    let needs: Vec<String> = requires.iter().map(Coeffect::need).collect();
    Grade::of_needs(needs.iter().map(String::as_str))
        .map_err(|error| declared.malformed(declared.label.name(), error.to_string()))
}

pub(crate) fn root(
    declared: &Declared,
    artifact: Option<&Artifact>,
) -> BuildResult<Option<Digest>> {
    artifact
        .map(|artifact| {
            let sha256 = (artifact.sha256.parse())
                .map_err(|error| declared.malformed(&artifact.sha256, format!("{error}")))?;
            Ok(Digest::new(sha256, artifact.size))
        })
        .transpose()
}

/// The variables that a step sets itself.
fn environment(declared: &Declared, own: &[Variable]) -> BuildResult<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for Variable { map_key, map_value } in own {
        if map_key.is_empty() || map_key.contains(['=', '\0']) || map_value.contains('\0') {
            let problem = format!("`{map_key}` cannot be a variable of the environment");
            return Err(declared.malformed(map_key, problem));
        }
        env.insert(map_key.clone(), map_value.clone());
    }
    Ok(env)
}
