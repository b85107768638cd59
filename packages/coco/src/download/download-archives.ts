// The official archives of COCO 2017 as data: where they are, how long they are and what their bytes hash to. Sizes and SHA-256 are
// those that TensorFlow Datasets records (url_checksums/coco.txt); it has none of unlabeled2017, whose MD5 is the one that
// pytorchcocotools records. Nothing is fetched here.

/** One zip file to fetch. */
export interface Archive {
  /** Its address below the base address. */
  readonly path: string;
  /** Its length. */
  readonly bytes: number;
  readonly checksum: ArchiveChecksum;
}

/** What an archive's bytes hash to. */
export interface ArchiveChecksum {
  readonly algorithm: "sha256" | "md5";
  /** Lower-case hexadecimal digits. */
  readonly hex: string;
}

/** Where COCO's archives are. Plain http, as the host has no certificate of its own name: the checksums guard the content. */
export const COCO_BASE_URL = "http://images.cocodataset.org/";

const sha256 = (hex: string): ArchiveChecksum => ({ algorithm: "sha256", hex });

/** COCO 2017's images, boxes and lists of test images, by the name that `downloadDataset` takes. */
export const COCO_ARCHIVES = {
  train2017: {
    path: "zips/train2017.zip",
    bytes: 19_336_861_798,
    checksum: sha256("69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
  },
  val2017: {
    path: "zips/val2017.zip",
    bytes: 815_585_330,
    checksum: sha256("4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
  },
  test2017: {
    path: "zips/test2017.zip",
    bytes: 6_646_970_404,
    checksum: sha256("c7908c3c9f94ba2f3340ebbeec58c25db6be8774f18d68c2f15d0e369d95baba"),
  },
  unlabeled2017: {
    path: "zips/unlabeled2017.zip",
    bytes: 20_126_613_414,
    checksum: { algorithm: "md5", hex: "7ebc562819fdb32847aab79530457326" },
  },
  annotations: {
    path: "annotations/annotations_trainval2017.zip",
    bytes: 252_907_541,
    checksum: sha256("113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268"),
  },
  image_info_test2017: {
    path: "annotations/image_info_test2017.zip",
    bytes: 1_144_034,
    checksum: sha256("e52f412dd7195ac8f98d782b44c6dd30ea10241e9f42521f67610fbe055a74f8"),
  },
} as const satisfies Readonly<Record<string, Archive>>;
