//! The members as they will be trained: their options interpreted, their images read, and their devices open. Whatever is
//! wrong with the options of a member is found here, before the sweep has a folder.

use anyhow::anyhow;

use super::label;
use crate::cli::Failure;
use crate::cli::engine::{EngineArgs, Ready};
use crate::cli::hints::HintedError;
use crate::cli::sweep::members::Sweep;
use crate::cli::train::{Images, TrainArgs};
use crate::engine::Setup;
use crate::sweep::Member;
use crate::train::TrainingConfig;

/// The members of a sweep, and what they are trained on.
pub struct Prepared {
    /// In the order of their numbers; those of other shards are left out.
    pub members: Vec<PreparedMember>,
    pub groups: Vec<Group>,
    pub devices: Vec<Device>,
}

/// A member whose options are interpreted.
pub struct PreparedMember {
    pub member: Member,
    pub args: TrainArgs,
    /// All options, for its `config.toml`.
    pub options: toml::Table,
    /// The images, which members share.
    pub images: Images,
    pub training: TrainingConfig,
    /// The index of its group.
    pub group: usize,
}

/// Members that can be trained in one pool of engines.
pub struct Group {
    /// The number of the device options.
    pub kind: usize,
    /// The setup of one of them. On a GPU, all share its kernels.
    pub setup: Setup,
    pub images: Images,
    images_index: usize,
}

/// A device that is open.
pub struct Device {
    /// The number of the device options that it was opened with.
    pub kind: usize,
    pub ready: Ready,
}

/// A member's options, before its images are read.
struct Asked {
    member: Member,
    args: TrainArgs,
    options: toml::Table,
    kind: usize,
    images: usize,
}

impl Prepared {
    /// Prepares the members of a sweep.
    pub fn new(sweep: &Sweep) -> Result<Self, Failure> {
        let asked = ask(sweep)?;
        let (images, devices) = open(sweep, &asked)?;
        let mut groups = Vec::new();
        let members = asked.into_iter().map(|asked| {
            let images_index = asked.images;
            let images = &images[images_index];
            let interpreted = asked.args.interpret(images, sweep.running.quiet);
            let (setup, training) =
                interpreted.map_err(|failure| of_member(&label(&sweep.plan, asked.member), failure))?;
            let is_gpu = devices.iter().any(|device| device.kind == asked.kind && device.ready.is_gpu());
            let group = Group { kind: asked.kind, setup, images: images.clone(), images_index };
            Ok(PreparedMember {
                group: group.find_or_add(&mut groups, is_gpu),
                member: asked.member,
                args: asked.args,
                options: asked.options,
                images: images.clone(),
                training,
            })
        });
        let members = members.collect::<Result<Vec<_>, Failure>>()?;
        Ok(Self { members, groups, devices })
    }
}

impl Prepared {
    /// The member with this number, which is one of this shard.
    pub fn member(&self, number: usize) -> &PreparedMember {
        &self.members[self.members.partition_point(|member| member.member.index < number)]
    }
}

impl PreparedMember {
    /// The number of its epochs, including a partial last one.
    pub fn epochs(&self) -> u64 {
        self.training.epochs_started(self.images.data.train.len())
    }
}

impl Group {
    /// The index of the group that these members belong to. On the CPU, every member has an engine of its own, so that all
    /// are one group.
    fn find_or_add(self, groups: &mut Vec<Self>, is_gpu: bool) -> usize {
        let is_same = |group: &Self| {
            group.kind == self.kind
                && (!is_gpu
                    || (group.images_index == self.images_index
                        && group.setup.shares_kernels_with(&self.setup)))
        };
        groups.iter().position(is_same).unwrap_or_else(|| {
            groups.push(self);
            groups.len() - 1
        })
    }
}

/// The options of all members. Members with the same device options have the same `kind`, and those with the same data
/// options the same `images`.
fn ask(sweep: &Sweep) -> Result<Vec<Asked>, Failure> {
    let mut asked: Vec<Asked> = Vec::new();
    // The first member of each kind, and with each images.
    let (mut kinds, mut sets): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for member in sweep.members() {
        let (args, options) = sweep.member(member)?;
        let index = asked.len();
        let number = |firsts: &mut Vec<usize>, is_same: &dyn Fn(&TrainArgs) -> bool| {
            let found = firsts.iter().position(|&first| is_same(&asked[first].args));
            found.unwrap_or_else(|| {
                firsts.push(index);
                firsts.len() - 1
            })
        };
        let kind = number(&mut kinds, &|other| other.engine() == args.engine());
        let images = number(&mut sets, &|other| other.shares_images_with(&args));
        asked.push(Asked { member, args, options, kind, images });
    }
    if asked.is_empty() {
        return Err(Failure::Input(anyhow!("this shard has no members")));
    }
    Ok(asked)
}

/// Reads all images while the devices are opened.
fn open(sweep: &Sweep, asked: &[Asked]) -> Result<(Vec<Images>, Vec<Device>), Failure> {
    let first =
        |is_it: &dyn Fn(&Asked) -> bool| asked.iter().find(|asked| is_it(asked)).map(|asked| &asked.args);
    let sets: Vec<&TrainArgs> = (0..).map_while(|images| first(&|asked| asked.images == images)).collect();
    let kinds: Vec<&EngineArgs> =
        (0..).map_while(|kind| first(&|asked| asked.kind == kind)).map(TrainArgs::engine).collect();
    for args in &sets {
        args.check_images()?;
    }
    let read = || sets.iter().map(|args| args.open_images()).collect::<Result<Vec<_>, Failure>>();
    let adapters = sweep.running.adapters.as_ref();
    let (images, first) = kinds[0].open_all_concurrently(adapters, read)?;
    let mut devices: Vec<_> = first.into_iter().map(|ready| Device { kind: 0, ready }).collect();
    for (kind, args) in kinds.iter().enumerate().skip(1) {
        devices.extend(args.open_all(adapters)?.into_iter().map(|ready| Device { kind, ready }));
    }
    for device in &devices {
        device.ready.warn_of_software();
    }
    for (args, images) in sets.iter().zip(&images) {
        args.introduce_images(images, sweep.running.quiet);
    }
    Ok((images, devices))
}

/// The failure with the member that it belongs to.
fn of_member(member: &str, failure: Failure) -> Failure {
    let (message, hint) = (format!("{member}: {failure}"), failure.hint());
    let error = HintedError { message, hint };
    match failure {
        Failure::Input(_) => Failure::input(error),
        Failure::Work(_) => Failure::work(error),
    }
}
