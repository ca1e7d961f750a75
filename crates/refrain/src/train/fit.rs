//! The training loop. There is only this one.

use super::log::Log;
use super::{
    AverageConfig, Averager, BestEpochs, Checkpoint, Control, Event, Observer, Optimizer, Progress,
    Stopped, TrainConfig, Unit,
};
use crate::error::Error;
use crate::files::tensors;
use crate::metrics::{Better, Metrics};
use crate::params::{self, Gradient, NamedTensor, by_name};
use burn::module::Module;
use burn::tensor::Tensor;
use refrain_kernels::random::Key;
use refrain_kernels::update::sum_of_squares;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Training fails after this many skipped updates in a row.
const MAX_SKIPPED: u32 = 20;
/// Separates the random numbers of the loop from those that initialise a model with the same seed.
const STREAM: u64 = 0x7472_6169_6e00;

/// Position of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Batch of the epoch, from 0.
    pub batch: usize,
}

/// Result of one batch.
pub struct BatchLoss {
    /// The loss whose gradient is taken.
    pub loss: Tensor<1>,
    /// The loss without regularisation, summed over tokens, in nats; for the log.
    pub nats: f64,
    /// Tokens (or frames) in the batch.
    pub tokens: usize,
    /// Factor of the learning rate for this batch; 1 unless batches differ in length.
    pub rate: f64,
}

/// Everything that the training loop needs from a task.
pub trait Trainee {
    /// The model in training, on an autodiff device.
    type Model: Module;

    /// The task's name.
    fn name(&self) -> &'static str;

    /// Batches of an epoch (from 0).
    fn batches(&mut self, epoch: u64) -> usize;

    /// Loss of one batch. All random numbers in it (dropout, noise) follow from `key`.
    ///
    /// # Errors
    /// Errors of the task's model.
    fn loss(&mut self, model: &Self::Model, place: Place, key: Key) -> Result<BatchLoss, Error>;

    /// Figures on the validation set. `model` is on a device without autodiff.
    ///
    /// # Errors
    /// Errors of the task's model.
    fn validate(&mut self, model: &Self::Model) -> Result<Metrics, Error>;

    /// Name of the figure that chooses the best epoch.
    fn criterion(&self) -> &'static str;

    /// Direction in which the criterion improves.
    fn better(&self) -> Better {
        Better::Lower
    }

    /// Units of loss and speed.
    fn unit(&self) -> Unit;

    /// Writes the files of the task into the folder of a new run.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn save(&self, folder: &Path) -> Result<(), Error> {
        let _ = folder;
        Ok(())
    }

    /// Figures of the best model on the test set; empty if there is none. `model` is on a device without autodiff.
    ///
    /// # Errors
    /// Errors of the task's model.
    fn test(&mut self, model: &Self::Model) -> Result<Metrics, Error> {
        let _ = model;
        Ok(Metrics::new())
    }

    /// Drops the carried state: a new epoch starts, or the state is no longer finite.
    fn forget(&mut self) {}

    /// State carried from batch to batch.
    fn carried(&self) -> Vec<NamedTensor> {
        Vec::new()
    }

    /// Restores the state returned by [`Self::carried`].
    ///
    /// # Errors
    /// Tensors that are not a carried state.
    fn restore(&mut self, carried: Vec<NamedTensor>) -> Result<(), Error> {
        match carried.into_iter().next() {
            Some(tensor) => Err(Error::ForeignTensor { name: tensor.name }),
            None => Ok(()),
        }
    }

    /// Known bounds of the figures.
    fn reference(&self) -> Metrics {
        Metrics::new()
    }

    /// Fingerprint of the training data: a run continues only with the same data.
    fn fingerprint(&self) -> String {
        String::new()
    }
}

/// Files of a run.
#[derive(Clone, Debug)]
pub struct Files {
    /// The best model.
    pub model: PathBuf,
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// The log.
    pub log: PathBuf,
}

/// Result of [`fit`].
pub struct Outcome {
    /// Figures of the run; the best model is in the folder.
    pub progress: Progress,
    /// Reason for the end.
    pub stopped: Stopped,
}

/// Trains `model` as configured; with `checkpoint`, continues from it.
///
/// `data` is the folder of the data, and is stored in the checkpoint. Each epoch ends with a validation, and the best
/// model so far is saved. Checkpoints, interruptions and the number of threads do not change the result.
///
/// # Errors
/// Errors of the task, files that cannot be written, a checkpoint of another model or other data, and
/// [`Error::Diverged`].
pub fn fit<T: Trainee>(
    trainee: &mut T,
    model: T::Model,
    config: &TrainConfig,
    files: &Files,
    data: Option<&Path>,
    checkpoint: Option<Checkpoint>,
    observe: Observer,
) -> Result<Outcome, Error> {
    config.check()?;
    let (model, mut run) = match checkpoint {
        None => (model, Run::new(trainee, config, files, data, observe)?),
        Some(checkpoint) => Run::resume(trainee, model, config, files, checkpoint, data, observe)?,
    };
    run.start(&model)?;
    let (model, stopped) = run.train(model)?;
    run.check_end(stopped)?;
    Ok(Outcome {
        progress: run.finish(&model, stopped)?,
        stopped,
    })
}

struct Run<'a, 'o, T: Trainee> {
    trainee: &'a mut T,
    config: &'a TrainConfig,
    files: &'a Files,
    observe: &'o mut dyn FnMut(&Event) -> Control,
    log: Log,
    progress: Progress,
    optimizer: Optimizer,
    averager: Averager,
    best: BestEpochs,
    key: Key,
    /// Updates of the whole training.
    steps: u64,
    resumed: bool,
    asked: bool,
    /// Training seconds before this session.
    before: f64,
    began: Instant,
    saved: Instant,
}

impl<'a, 'o, T: Trainee> Run<'a, 'o, T> {
    fn new(
        trainee: &'a mut T,
        config: &'a TrainConfig,
        files: &'a Files,
        data: Option<&Path>,
        observe: &'o mut dyn FnMut(&Event) -> Control,
    ) -> Result<Self, Error> {
        let progress = Progress::new(
            config.schedule.clone(),
            trainee.fingerprint(),
            data.map(Path::to_path_buf),
        );
        Self::at(trainee, config, files, progress, observe)
    }

    fn at(
        trainee: &'a mut T,
        config: &'a TrainConfig,
        files: &'a Files,
        progress: Progress,
        observe: &'o mut dyn FnMut(&Event) -> Control,
    ) -> Result<Self, Error> {
        Ok(Self {
            log: Log::open(&files.log, progress.log_bytes)?,
            optimizer: Optimizer::new(config.optimizer.clone()),
            averager: Averager::default(),
            best: BestEpochs::default(),
            key: Key::new(config.seed).fold(STREAM),
            steps: (0..config.epochs)
                .map(|epoch| trainee.batches(epoch) as u64)
                .sum(),
            before: progress.seconds,
            resumed: false,
            asked: false,
            began: Instant::now(),
            saved: Instant::now(),
            trainee,
            config,
            files,
            observe,
            progress,
        })
    }

    fn resume(
        trainee: &'a mut T,
        model: T::Model,
        config: &'a TrainConfig,
        files: &'a Files,
        checkpoint: Checkpoint,
        data: Option<&Path>,
        observe: &'o mut dyn FnMut(&Event) -> Control,
    ) -> Result<(T::Model, Self), Error> {
        let mut progress = checkpoint.progress;
        if progress.fingerprint != trainee.fingerprint() {
            let problem = "the training data differs from the data that this run began with; \
                           give the same files with --data";
            return Err(Error::checkpoint(&files.checkpoint, problem));
        }
        let sizes: BTreeMap<_, _> = checkpoint
            .model
            .iter()
            .map(|t| (t.name.clone(), t.data.len()))
            .collect();
        let model = params::import(model, &by_name(checkpoint.model))?;
        trainee.forget();
        if progress.batch > 0 {
            trainee.restore(checkpoint.carried)?;
        }
        progress.data = data.map(Path::to_path_buf).or(progress.data);
        progress.stopped = progress
            .stopped
            .filter(|stopped| *stopped != Stopped::Asked);
        let mut run = Self::at(trainee, config, files, progress, observe)?;
        let Progress {
            updates, averaged, ..
        } = run.progress;
        run.optimizer = Optimizer::import(
            config.optimizer.clone(),
            updates,
            checkpoint.optimizer,
            &sizes,
        )?;
        run.best = BestEpochs::import(checkpoint.best);
        run.averager = Averager::import(averaged, checkpoint.average, &sizes)?;
        run.resumed = true;
        Ok((model, run))
    }

    fn start(&mut self, model: &T::Model) -> Result<(), Error> {
        self.emit(
            Event::Started {
                task: self.trainee.name().to_string(),
                parameters: model.num_params(),
                epochs: self.config.epochs,
                steps: self.steps,
                resumed: self.resumed.then_some(self.progress.step),
                reference: self.trainee.reference(),
                unit: self.trainee.unit(),
            },
            true,
        )?;
        match self.resumed {
            true => Ok(()),
            // Makes a run resumable that is killed before its first regular checkpoint.
            false => self.checkpoint(model),
        }
    }

    fn train(&mut self, mut model: T::Model) -> Result<(T::Model, Stopped), Error> {
        if let Some(stopped) = self.progress.stopped {
            return Ok((model, stopped));
        }
        while self.progress.epoch < self.config.epochs {
            if self.progress.batch == 0 {
                self.trainee.forget();
            }
            let batches = self.trainee.batches(self.progress.epoch);
            if batches == 0 {
                return Err(Error::Config(
                    "the training data makes no batch; give more text or lower train.batch".into(),
                ));
            }
            while self.progress.batch < batches {
                model = self.step(model, batches)?;
                if self.asked {
                    return Ok((model, Stopped::Asked));
                }
                if self.saved.elapsed().as_secs_f64() >= self.config.checkpoint_every_seconds {
                    self.checkpoint(&model)?;
                }
            }
            self.end_epoch(&model)?;
            if self.gives_up() {
                return Ok((model, Stopped::EarlyStopping));
            }
            if self.asked && self.progress.epoch < self.config.epochs {
                return Ok((model, Stopped::Asked));
            }
            self.checkpoint(&model)?;
        }
        Ok((model, Stopped::Done))
    }

    fn step(&mut self, model: T::Model, batches: usize) -> Result<T::Model, Error> {
        let began = Instant::now();
        let Progress {
            epoch, batch, step, ..
        } = self.progress;
        let place = Place { epoch, batch };
        let BatchLoss {
            loss,
            nats,
            tokens,
            rate,
        } = self.trainee.loss(&model, place, self.key.fold(step))?;
        let learning_rate = self.config.optimizer.lr()
            * rate
            * self.progress.schedule.factor(epoch, step, self.steps);
        self.progress.batch += 1;
        self.progress.step += 1;
        if !nats.is_finite() {
            return self.skip(format!("a loss that is {nats}")).map(|()| model);
        }
        let gradients = params::gradients(&model, &loss);
        drop(loss);
        let squares: f64 = gradients.iter().map(|g| sum_of_squares(g.as_slice())).sum();
        let gradient_norm = squares.sqrt();
        if !gradient_norm.is_finite() {
            let reason = format!("a gradient whose norm is {gradient_norm}");
            return self.skip(reason).map(|()| model);
        }
        let model = self.apply(model, gradients, learning_rate, self.scale(gradient_norm))?;
        self.progress.skipped = 0;
        self.progress.nats += nats;
        self.progress.tokens += tokens as u64;
        let event = Event::Step {
            epoch: epoch + 1,
            step: self.progress.step,
            batch: batch + 1,
            batches,
            loss: nats / tokens.max(1) as f64,
            tokens,
            gradient_norm,
            learning_rate,
            seconds: began.elapsed().as_secs_f64(),
        };
        let logged = self.progress.step.is_multiple_of(self.config.log_every);
        self.emit(event, logged).map(|()| model)
    }

    /// Factor that reduces a gradient of this norm to the limit, as PyTorch's `clip_grad_norm_`.
    fn scale(&self, norm: f64) -> f64 {
        match self.config.clip > 0.0 {
            true => (self.config.clip / (norm + 1e-6)).min(1.0),
            false => 1.0,
        }
    }

    fn apply(
        &mut self,
        model: T::Model,
        gradients: Vec<Gradient>,
        lr: f64,
        scale: f64,
    ) -> Result<T::Model, Error> {
        let (optimizer, averager) = (&mut self.optimizer, &mut self.averager);
        let averaging = self.progress.averaging;
        optimizer.begin();
        if averaging {
            averager.begin();
        }
        let model = params::update(model, gradients, |name, parameter, gradient| {
            optimizer.update(name, parameter, gradient, lr, scale)?;
            match averaging {
                true => averager.add(name, parameter),
                false => Ok(()),
            }
        })?;
        Ok(model)
    }

    fn skip(&mut self, reason: String) -> Result<(), Error> {
        self.progress.skipped += 1;
        // The same carried state would give the same invalid loss again.
        self.trainee.forget();
        let in_a_row = self.progress.skipped;
        let event = Event::Skipped {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            reason: reason.clone(),
            in_a_row,
        };
        self.emit(event, true)?;
        match in_a_row >= MAX_SKIPPED {
            true => Err(Error::Diverged {
                skipped: in_a_row,
                reason: format!("{reason}, after {in_a_row} updates in a row were skipped"),
            }),
            false => Ok(()),
        }
    }

    fn end_epoch(&mut self, model: &T::Model) -> Result<(), Error> {
        let began = Instant::now();
        let averaged = match self.averager.count() {
            0 => None,
            _ => Some(self.averager.apply(params::export(model))),
        };
        let (criterion, metrics) = self.validated(model, averaged.as_deref())?;
        let train_loss = self.progress.nats / self.progress.tokens.max(1) as f64;
        let best = self.progress.end_epoch(criterion, &metrics);
        let kept = self.config.average.kept();
        self.best
            .offer(&self.progress.history, kept, || params::export(model));
        if best {
            self.save_model(averaged.unwrap_or_else(|| params::export(model)))?;
        }
        let (epoch, step) = (self.progress.epoch, self.progress.step);
        let seconds = began.elapsed().as_secs_f64();
        self.emit(
            Event::Validated {
                epoch,
                step,
                train_loss,
                metrics,
                best,
                seconds,
            },
            true,
        )?;
        if !self.progress.averaging && self.config.average.begins(&self.progress.history) {
            self.progress.averaging = true;
            self.emit(Event::AveragingStarted { epoch, step }, true)?;
        }
        Ok(())
    }

    /// The criterion (lower is better) and the figures of a model, with these weights instead of its own.
    fn validated(
        &mut self,
        model: &T::Model,
        weights: Option<&[NamedTensor]>,
    ) -> Result<(f64, Metrics), Error> {
        let model = match weights {
            None => model.valid(),
            Some(weights) => params::import(model.valid(), &by_name(weights.to_vec()))?,
        };
        let metrics = self.trainee.validate(&model)?;
        let name = self.trainee.criterion();
        let criterion = metrics.get(name).copied().ok_or_else(|| {
            Error::Config(format!(
                "validation gave no {name}; the validation data may be empty"
            ))
        })?;
        let criterion = match self.trainee.better() {
            Better::Higher => -criterion,
            Better::Lower | Better::Neither => criterion,
        };
        Ok((criterion, metrics))
    }

    fn save_model(&self, tensors: Vec<NamedTensor>) -> Result<(), Error> {
        tensors::save(&self.files.model, tensors, ("format", "pt".to_string())).map(|_| ())
    }

    /// Validates the mean of the best epochs, and saves it if it is better than the best of them.
    fn average_best(&mut self, model: &T::Model) -> Result<(), Error> {
        let Some((epochs, weights)) = self.best.mean()? else {
            return Ok(());
        };
        let (criterion, metrics) = self.validated(model, Some(&weights))?;
        let best = self.progress.improves(criterion, &metrics);
        if best {
            self.save_model(weights)?;
        }
        let event = Event::BestAveraged {
            epochs,
            metrics,
            best,
        };
        self.emit(event, true)
    }

    fn gives_up(&self) -> bool {
        let waits_for_average =
            matches!(self.config.average, AverageConfig::Asgd { .. }) && !self.progress.averaging;
        self.config
            .early_stopping
            .is_some_and(|rule| self.progress.waited >= rule.patience && !waits_for_average)
    }

    /// Refuses to end a training none of whose validations gave a number: no epoch is known to be a good one.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    fn check_end(&self, stopped: Stopped) -> Result<(), Error> {
        if stopped == Stopped::Asked || self.progress.has_number() {
            return Ok(());
        }
        Err(Error::Diverged {
            skipped: self.progress.skipped,
            reason: format!(
                "the {} of the validation was no finite number in any of {} epochs",
                self.trainee.criterion(),
                self.progress.epoch
            ),
        })
    }

    fn finish(mut self, model: &T::Model, stopped: Stopped) -> Result<Progress, Error> {
        if self.progress.stopped.is_none() {
            if stopped != Stopped::Asked {
                self.average_best(model)?;
            }
            self.progress.stopped = Some(stopped);
            let event = Event::Finished {
                step: self.progress.step,
                stopped,
                seconds: self.seconds(),
            };
            self.emit(event, stopped != Stopped::Asked)?;
        }
        self.checkpoint(model)?;
        Ok(self.progress)
    }

    fn checkpoint(&mut self, model: &T::Model) -> Result<(), Error> {
        self.progress.updates = self.optimizer.step();
        self.progress.averaged = self.averager.count();
        self.progress.log_bytes = self.log.bytes();
        self.progress.seconds = self.seconds();
        let checkpoint = Checkpoint {
            progress: self.progress.clone(),
            model: params::export(model),
            optimizer: self.optimizer.export(),
            average: self.averager.export(),
            carried: self.trainee.carried(),
            best: self.best.export(),
        };
        let bytes = checkpoint.save(&self.files.checkpoint)?;
        self.saved = Instant::now();
        let event = Event::Checkpointed {
            epoch: self.progress.epoch + 1,
            step: self.progress.step,
            bytes,
        };
        self.emit(event, false)
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    fn emit(&mut self, event: Event, logged: bool) -> Result<(), Error> {
        if logged {
            self.log.write(&event)?;
        }
        if (self.observe)(&event) == Control::Stop {
            self.asked = true;
        }
        Ok(())
    }
}
