// Two sounds: taken, and not known. Made here, so that no file has to be loaded.
let audio = null;

function tone(frequency, start, length, shape) {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  oscillator.type = shape;
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.12, audio.currentTime + start);
  gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + start + length);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(audio.currentTime + start);
  oscillator.stop(audio.currentTime + start + length);
}

function play(notes) {
  if (navigator.userActivation && !navigator.userActivation.hasBeenActive) return; // browsers forbid it
  try {
    audio ||= new AudioContext();
    if (audio.state === "suspended") audio.resume();
    notes.forEach((note) => tone(...note));
  } catch {
    // A till without sound sells all the same.
  }
}

export const beep = () => play([[1760, 0, 0.09, "sine"]]);
export const buzz = () => play([[220, 0, 0.14, "square"], [175, 0.17, 0.22, "square"]]);
