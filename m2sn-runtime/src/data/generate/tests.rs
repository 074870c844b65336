use tch::Kind;

use crate::data::affect::{Labels, Rules};
use crate::data::{Source, affect, mustard, pickle};

/// What is written is what the reader of the published form reads.
#[test]
fn affect_pickles_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sarcasm.pkl");
    let settings =
        super::affect::Settings { samples: [20, 10, 5], steps: 12, features: [6, 4, 5], labels: Labels::Signs };
    super::affect::write(&path, settings, 3).unwrap();
    let data = affect::read(&path, Rules { steps: 8, aligned: true, labels: Labels::Signs }).unwrap();
    // Every tenth text is empty.
    assert_eq!([data.train.rows.len(), data.valid.rows.len(), data.test.rows.len()], [18, 9, 5]);
    assert_eq!(data.train.vision.steps.size(), [18, 8, 6]);
    assert_eq!(data.train.labels.abs().min().double_value(&[]), 1.0);
    let ids = pickle::read(&path).unwrap().root().get("test").unwrap().get("id").unwrap().texts().unwrap();
    assert_eq!(ids[4], "clip_4");
    assert!(super::affect::write(&path, super::affect::Settings { steps: 0, ..settings }, 3).is_err());
    // The same seed writes the same file.
    let bytes = std::fs::read(&path).unwrap();
    super::affect::write(&path, settings, 3).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn mustard_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    super::mustard::write(folder.path(), 40, 1).unwrap();
    let data = mustard::read(folder.path()).unwrap();
    assert_eq!((data.utterances.len(), data.folds.len()), (40, 5));
    assert_eq!(data.utterances[13].id, "1_13");
    for fold in &data.folds {
        assert_eq!((fold.train.len(), fold.test.len()), (32, 8));
        let sarcastic = fold.test.iter().filter(|row| data.utterances[**row as usize].sarcasm).count();
        assert_eq!(sarcastic, 4);
    }
    let audio = data.audio_features(folder.path().join("audio_features.p")).unwrap();
    assert_eq!((audio.size(), audio.kind()), (vec![40, 283], Kind::Float));
    let apart = data.speaker_independent().unwrap();
    assert_eq!(apart.train.len() + apart.test.len(), 40);
    assert!(super::mustard::write(folder.path(), 9, 1).is_err());
}

#[cfg(feature = "image")]
#[test]
fn mmimdb_folders_are_read() {
    use crate::data::files::Files;
    use crate::data::image::{Fit, Picture};
    use crate::data::mmimdb;

    let folder = tempfile::tempdir().unwrap();
    super::mmimdb::folder(folder.path(), 20, 1).unwrap();
    let films = mmimdb::read(folder.path()).unwrap();
    assert_eq!([films.train.ids.len(), films.valid.ids.len(), films.test.ids.len()], [11, 2, 7]);
    assert!(films.train.plots[0].split(' ').count() > 12, "{}", films.train.plots[0]);
    assert_eq!(films.train.genres.size(), [11, 23]);
    assert!(films.train.genres.sum_dim_intlist([1_i64].as_slice(), false, Kind::Float).min().double_value(&[]) >= 1.0);
    let picture = Picture { channels: 3, height: 32, width: 24, fit: Fit::Crop { shorter: 32 }, floats: false };
    let posters = Files::new(films.test.posters.iter().cloned().map(Some).collect(), picture).unwrap();
    assert_eq!(posters.load().unwrap().tensor.size(), [7, 3, 32, 24]);

    let remove = |name: &str| std::fs::remove_file(folder.path().join("dataset").join(name)).unwrap();
    remove("0100002.jpeg");
    remove("0100019.json");
    let text = mmimdb::read(folder.path()).unwrap_err().to_string();
    assert!(text.contains("split.json: 2 faults:\n  `train`, row 2: film `0100002`: there is no poster "), "{text}");
    assert!(text.contains("\n  `test`, row 6: film `0100019`: "), "{text}");
}

#[cfg(feature = "hdf5")]
#[test]
fn mmimdb_features_are_read() {
    use crate::data::{hdf5, mmimdb};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("multimodal_imdb.hdf5");
    super::mmimdb::features(&path, 20, 1).unwrap();
    let genres = hdf5::read(&path, "genres", Kind::Float, &[-1, 23]).unwrap();
    assert!(genres.sum_dim_intlist([1_i64].as_slice(), false, Kind::Float).min().double_value(&[]) >= 1.0);
    let [train, valid, test] = mmimdb::parts(20);
    assert_eq!([train, valid.clone(), test], [0..11, 11..13, 13..20]);
    let features = hdf5::Rows::open(&path, "vgg_features", Kind::Float, &[-1, 4096]).unwrap();
    assert_eq!(features.narrow(valid.start, 2).unwrap().read(&[1, 0]).unwrap().tensor.size(), [2, 4096]);
    let images = hdf5::Rows::open(&path, "images", Kind::Float, &[-1, 3, 256, 160]).unwrap();
    assert!(images.read(&[19]).unwrap().tensor.min().double_value(&[]) >= 60.0);
    assert_eq!(hdf5::texts(&path, "imdb_ids").unwrap()[19], "0100019");
    assert_eq!(mmimdb::parts(25_959), [0..15_552, 15_552..18_160, 18_160..25_959]);
}

#[cfg(all(feature = "audio", feature = "image"))]
#[test]
fn extracted_videos_are_read() {
    use crate::data::audio::Sound;
    use crate::data::files::{Files, Item};
    use crate::data::image::{Fit, Picture};
    use crate::data::kinetics::{Frames, View, list};

    let folder = tempfile::tempdir().unwrap();
    let settings = super::kinetics::Settings { clips: [4, 2, 2], classes: 2, frames: 6, side: 16, rate: 800 };
    super::kinetics::write(folder.path(), settings, 1).unwrap();
    let read = |modality: &str| list(folder.path().join(modality).join("train.txt")).unwrap();
    let video = read("video");
    assert_eq!(Vec::<i64>::try_from(video.classes.as_ref().unwrap()).unwrap(), [0, 1, 0, 1]);
    let picture = Picture { channels: 3, height: 8, width: 8, fit: Fit::Stretch, floats: true };
    let frames = Frames { frames: 3, view: View::Colours, picture };
    let colours = Files::new(video.clips(), frames).unwrap().load().unwrap().tensor;
    assert_eq!(colours.size(), [4, 3, 3, 8, 8]);
    // The second class is green: of the first colour channel there is more in the second class than in the first.
    let red = colours.select(2, 0).mean_dim([1_i64, 2, 3].as_slice(), false, Kind::Float);
    assert!(red.double_value(&[1]) > red.double_value(&[0]) + 0.2);
    let flow = Frames { view: View::Flow, ..frames };
    assert_eq!(flow.shape().0, [3, 2, 8, 8]);
    let flow = Files::new(read("flow").clips(), flow).unwrap();
    assert_eq!(flow.read(&[3]).unwrap().tensor.size(), [1, 3, 2, 8, 8]);
    let sound = Files::new(read("sound").paths(), Sound { rate: 800, samples: 500 }).unwrap();
    assert_eq!(sound.load().unwrap().tensor.size(), [4, 500]);

    std::fs::remove_file(folder.path().join("flow/clips/00003/y_00004.jpg")).unwrap();
    let text = flow.load().unwrap_err().to_string();
    assert!(text.starts_with("row 3: ") && text.contains("y_00004.jpg: "), "{text}");
}

/// Python reads what is written, where the machine has NumPy.
#[test]
fn python_reads_the_pickles() {
    let folder = tempfile::tempdir().unwrap();
    super::mustard::write(folder.path(), 20, 1).unwrap();
    let program = "import pickle; folds = pickle.load(open('split_indices.p', 'rb')); \
                   print(len(folds), [int(row) for row in folds[1][1]])";
    let python = std::process::Command::new("python3").args(["-c", program]).current_dir(folder.path()).output();
    match python {
        Ok(output) if output.status.success() => {
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "5 [2, 3, 12, 13]");
        }
        _ => eprintln!("skipped: there is no `python3` with NumPy"),
    }
}
