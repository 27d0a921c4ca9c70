"""Small copies of the data sets of human scores: the same folders, file names and formats as the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, shade: int, size: tuple[int, int] = (24, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(shade)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def tid2013(root: Path, references=("I04", "I05", "I25"), types=(1, 16), levels=(1, 5)) -> dict[str, float]:
    """Names in small and capital letters, BMP; CRLF at the ends of the lines, as the file is distributed."""
    scores, lines = {}, []
    for r, reference in enumerate(references):
        picture(root / "reference_images" / (f"{reference}.BMP" if r else f"{reference.lower()}.bmp"), r)
        for kind in types:
            for level in levels:
                name = f"{reference}_{kind:02d}_{level}.bmp"
                disk = name.lower() if (r + kind) % 2 else name.replace(".bmp", ".BMP")
                picture(root / "distorted_images" / disk, 100 * r + 10 * kind + level)
                scores[name.lower()] = round(2.5 + 0.7 * r + 0.1 * kind - 0.31234 * level, 5)
                lines.append(f"{scores[name.lower()]:.5f} {name}\r\n")
    (root / "mos_with_names.txt").write_text("".join(lines), newline="")
    return scores


def tid2008(root: Path) -> dict[str, float]:
    """As TID2013's, with four levels."""
    return tid2013(root, references=("I04", "I25"), types=(1, 17), levels=(1, 4))


def live(root: Path, realigned: bool = True) -> dict[str, tuple[float, bool, str]]:
    """Two images and an undistorted copy in each folder; rows of numbers and a cell array of names."""
    from scipy.io import savemat

    rows = {}
    for name in ("bikes", "lighthouse"):
        picture(root / "refimgs" / f"{name}.bmp", len(name))
    for f, folder in enumerate(("jp2k", "jpeg", "wn", "gblur", "fastfading")):
        for k in (1, 2, 3):
            picture(root / folder / f"img{k}.bmp", 10 * f + k)
            rows[f"{folder}/img{k}.bmp"] = (0.0 if k == 3 else 20.5 * f + k, k == 3, "bikes" if k % 2 else "lighthouse")
    dmos, orgs, names = zip(*rows.values(), strict=True)
    cells = np.empty((1, len(names)), dtype=object)
    cells[0] = [f"{name}.bmp" for name in names]
    savemat(root / "dmos.mat", {"dmos": np.array([dmos]), "orgs": np.array([orgs], dtype=np.uint8)})
    savemat(root / "refnames_all.mat", {"refnames_all": cells})
    if realigned:
        new = np.array([dmos]) * 1.1 - 2
        savemat(root / "dmos_realigned.mat", {"dmos_new": new, "dmos_std": new * 0, "orgs": np.array([orgs], np.uint8)})
    return rows


CSIQ = (("noise", "awgn", "AWGN"), ("blur", "blur", "BLUR"), ("contrast", "contrast", "contrast"))
CSIQ += (("fnoise", "fnoise", "fnoise"), ("jpeg", "jpeg", "JPEG"), ("jpeg 2000", "jpeg2000", "jpeg2000"))


def csiq(root: Path) -> dict[str, float]:
    """An Excel sheet whose header is in row 4, from column D on; an image is a number or a word."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "by_distortion"
    sheet = book.create_sheet("all_by_image")
    sheet["D1"] = "CSIQ"
    header = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
    for k, name in enumerate(header):
        sheet.cell(4, 4 + k, name)
    scores, line = {}, 5
    for r, image in enumerate((1600, "swarm")):
        picture(root / "src_imgs" / f"{image}.png", r)
        for t, (kind, folder, part) in enumerate(CSIQ):
            for level in (1, 5):
                name = f"{image}.{part}.{level}.png"
                picture(root / "dst_imgs" / folder / name, 1000 + 100 * r + 10 * t + level)
                scores[name.upper()] = round(0.1 * t + 0.05 * level + 0.03 * r, 4)
                for k, value in enumerate((image, t + 1, kind, level, 0.05, scores[name.upper()])):
                    sheet.cell(line, 4 + k, value)
                line += 1
    book.save(root / "csiq.DMOS.xlsx")
    return scores


def kadid10k(root: Path) -> dict[str, float]:
    scores, lines = {}, ["dist_img,ref_img,dmos,var\n"]
    for r in (1, 2):
        picture(root / "images" / f"I{r:02d}.png", r)
        for kind in (1, 25):
            for level in (1, 5):
                name = f"I{r:02d}_{kind:02d}_{level:02d}.png"
                picture(root / "images" / name, 100 * r + kind + level)
                scores[name] = 4.57 - 0.5 * level - 0.01 * kind
                lines.append(f"{name},I{r:02d}.png,{scores[name]:.2f},0.5\n")
    (root / "dmos.csv").write_text("".join(lines))
    return scores


def ava(root: Path, train=(101, 102, 104)) -> dict[str, list[int]]:
    """Six photos, of which 104 is listed but not there; the lists of the generic task."""
    rng = np.random.default_rng(0)
    votes = {str(k): rng.integers(0, 60, 10).tolist() for k in range(101, 107)}
    lines = [f"{i} {k} {' '.join(map(str, v))} 1 22 1396 \n" for i, (k, v) in enumerate(votes.items(), start=1)]
    (root / "AVA.txt").write_text("".join(lines))
    for k in votes:
        if k != "104":
            picture(root / "images" / f"{k}.jpg", int(k))
    lists = root / "aesthetics_image_lists"
    lists.mkdir()
    (lists / "generic_ls_train.jpgl").write_text("".join(f"{k}\n" for k in train))
    (lists / "generic_ss_train.jpgl").write_text("101\n")
    (lists / "generic_test.jpgl").write_text("103\n105\n")
    return votes


def biq2021(root: Path) -> dict[str, float]:
    """As in the repository: two lists with two empty columns at the right, and a folder Images."""
    scores = {f"ss01 ({k}).jpg": round(0.1 * k, 4) for k in range(1, 7)}
    for k, name in enumerate(scores):
        picture(root / "Images" / name, k)
    rows = list(scores.items())
    for part, some in (("Train", rows[:4]), ("Test", rows[4:])):
        text = "Image Name,MOS,,\n" + "".join(f"{name},{score:.4f},,\n" for name, score in some)
        (root / f"{part} (Images and MOS).csv").write_text(text)
    return scores


def koniq10k(root: Path) -> dict[str, float]:
    """The list of sets, with shares of five votes; ten digits for a name."""
    scores = {f"{10**9 + k}.jpg": round(20.5 + 7.3 * k, 4) for k in range(6)}
    lines = ["image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set\n"]
    for k, (name, score) in enumerate(scores.items()):
        picture(root / "1024x768" / name, k)
        part = ("training", "training", "training", "validation", "test", "test")[k]
        lines.append(f"{name},0.0,0.25,0.25,0.25,0.25,105,{score},0.6,{part}\n")
    (root / "koniq10k_distributions_sets.csv").write_text("".join(lines))
    return scores


def spaq(root: Path) -> dict[str, float]:
    """An Excel file in Annotations, its header in the first row; two of the capitals of a copy on the disk."""
    from openpyxl import Workbook

    book, scores = Workbook(), {}
    book.active.append(("Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"))
    for k in range(1, 6):
        name = f"{k:05d}.jpg"
        picture(root / "TestImage" / (name.upper() if k == 3 else name), k)
        scores[name] = 18.25 * k if k % 2 else 18 * k  # a whole number is an int in the sheet
        book.active.append((name, scores[name], 50.1, 50.2, 50, 50, 50))
    (root / "Annotations").mkdir()
    book.save(root / "Annotations" / "MOS and Image attribute scores.xlsx")
    return scores


def clive(root: Path) -> dict[str, float]:
    """A row of numbers and a column of cells, which begin with the seven examples; BMP and JPG."""
    from scipy.io import savemat

    names = [*(f"t{k}.bmp" for k in range(1, 8)), "100.bmp", "101.JPG", "102.bmp", "1164.bmp"]
    scores = {name: round(30.1 + 4.7 * k, 4) for k, name in enumerate(names)}
    for k, name in enumerate(names):
        picture(root / "Images" / ("trainingImages" if name.startswith("t") else "") / name, k)
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    (root / "Data").mkdir()
    savemat(root / "Data" / "AllImages_release.mat", {"AllImages_release": cells})
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": np.array([list(scores.values())])})
    return scores


def flive(root: Path) -> dict[str, float]:
    """Photos of three origins, three patches of each, and the lists of the split, whose columns are a few of theirs."""
    names = [f"voc_emotic_ava/AVA__{k}.jpg" for k in range(4)] + ["blur_dataset/motion0044.jpg", "EE371R/rq59.jpg"]
    scores = {name: round(55.25 + 6.1 * k, 6) for k, name in enumerate(names)}
    patches = {}
    for k, (name, score) in enumerate(scores.items()):
        picture(root / name, k, (24, 30))
        for p in (1, 2, 3):
            patch = f"patches/{name.split('/')[1]}_patch_{p}.jpg"
            picture(root / patch, 10 * k + p, (12, 15))
            patches[patch] = score + p
    for file, rows in (("labels_image.csv", scores), ("labels_patch.csv", patches)):
        (root / file).write_text("name,mos\n" + "".join(f"{name},{score}\n" for name, score in rows.items()))
    (root / "labels640.csv").write_text(f"mos_patch_1,name_patch,mos_image,name_image\n1,x,2,{names[0]}\n")
    rows = "".join(f"{name},{'True' if name == names[1] else 'False'}\n" for name in names[1:])
    (root / "labels=640_padded.csv").write_text("name_image,is_valid\n" + rows)
    return scores


def flive_patches(root: Path) -> dict[str, float]:
    return {f"{name.split('/')[1]}_patch_{p}.jpg": score + p for name, score in flive(root).items() for p in (1, 2, 3)}


def pipal(root: Path) -> dict[str, float]:
    """A file of scores for each reference; the distorted images of a reference are in one of the four folders."""
    scores = {}
    (root / "Train_Label").mkdir()
    for r, reference in enumerate(("A0001", "A0248")):
        picture(root / "Train_Ref" / f"{reference}.bmp", r)
        mine = {f"{reference}_{t:02d}_{k:02d}.bmp": 1400.5 + 100 * r - 7 * t - k for t in (0, 6) for k in (0, 11)}
        for k, name in enumerate(mine):
            picture(root / f"Distortion_{1 + 3 * r}" / name, 10 * r + k)
        lines = "".join(f"{name},{score:.4f}\n" for name, score in mine.items())
        (root / "Train_Label" / f"{reference}.txt").write_text(lines)
        scores |= mine
    return scores


def agiqa3k(root: Path) -> dict[str, float]:
    """Two prompts, one with a comma, by three generators; CRLF at the ends of the lines, as the file is distributed."""
    scores, lines = {}, ["name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align\r\n"]
    for g, generator in enumerate(("AttnGAN_normal", "DALLE2_normal", "sd1.5_lowstep")):
        for k, prompt in enumerate(("statue of a man", '"a tray of sushi, anime style"')):
            name = f"{generator}_{k:03d}.jpg"
            picture(root / "images" / name, 10 * g + k)
            scores[name] = 1.361853219 + g + 0.1 * k
            lines.append(f"{name},{prompt},,,{'anime style' if k else ''},{scores[name]},0.6,0.4,0.7\r\n")
    (root / "data.csv").write_text("".join(lines), newline="")
    return scores


def pieapp(root: Path) -> dict[tuple[str, str], float]:
    """Pairs (A, B) → share that preferred A. A file a reference, with spaces; the second pair was not asked."""
    shares, head = {}, "ref. image, distorted image A, distorted image B"
    for part, number in (("train", 1), ("train", 7), ("val", 3), ("test", 5)):
        reference = f"ref_{number}"
        picture(root / "reference_images" / part / f"{reference}.png", number)
        images = [f"distort_{number}_blur_inter_{k}.png" for k in (1, 2, 3)]
        for k, name in enumerate(images):
            picture(root / "distorted_images" / part / reference / name, 10 * number + k)
        if part == "test":
            text, images = f"{head}, preference for A\n", [f"{reference}.png", *images[1:]]
        else:
            text = f"{head}, raw preference for A, processed preference for A\n"
        for k, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
            share = shares[images[a], images[b]] = (1.0, 0.7, 0.5)[k]
            raw = "" if k == 1 else share
            cells = (share,) if part == "test" else (raw, share if k == 1 else 0.25)
            text += ", ".join(map(str, (f"{reference}.png", images[a], images[b], *cells))) + "\n"
        folder = root / "labels" / part
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{reference}_pairwise_labels.csv").write_text(text)
    (root / "labels" / "test" / "ref_5_per_image_score.csv").write_text("ref. image, distorted image, score\n")
    return shares


def bapps(root: Path) -> dict[str, float]:
    """Folder/number → share that found p1 nearer; a number a file, and JND pairs beside them."""
    shares = {}
    for part, kind, judged in (("train", "mix", (0.0, 0.5)), ("val", "cnn", (0.2,)), ("val", "superres", (1.0,))):
        for k, share in enumerate(judged):
            folder = root / "2afc" / part / kind
            for f, name in enumerate(("ref", "p0", "p1")):
                picture(folder / name / f"{k:06d}.png", 100 * f + len(shares), (8, 8))
            (folder / "judge").mkdir(exist_ok=True)
            np.save(folder / "judge" / f"{k:06d}.npy", np.array([share], np.float32))
            shares[f"2afc/{part}/{kind}/p0/{k:06d}.png"] = share
    picture(root / "jnd" / "val" / "cnn" / "p0" / "000000.png", 9, (8, 8))
    return shares


MORE = (koniq10k, spaq, clive, flive, flive_patches, tid2008, pipal, agiqa3k)
LAYOUTS = {f.__name__: f for f in (tid2013, live, csiq, kadid10k, ava, biq2021, *MORE)}
LABELS = {  # the text files with the scores
    "tid2013": "mos_with_names.txt",
    "kadid10k": "dmos.csv",
    "ava": "AVA.txt",
    "biq2021": "Train (Images and MOS).csv",
    "koniq10k": "koniq10k_distributions_sets.csv",
    "flive": "labels_image.csv",
    "flive_patches": "labels_patch.csv",
    "tid2008": "mos_with_names.txt",
    "pipal": "Train_Label/A0248.txt",
    "agiqa3k": "data.csv",
}
