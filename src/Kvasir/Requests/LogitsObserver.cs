namespace Kvasir;

/// <summary>Told the logits behind each token of a sequence, from the prompt's last on, on the engine's thread; it may not throw.</summary>
/// <param name="index">How many tokens behind the prompt the logits have seen: they are about the token of that index behind the prompt.</param>
/// <param name="logits">[vocabulary], as the model gives them, before bias and penalties; gone after the call.</param>
public delegate void LogitsObserver(int index, ReadOnlySpan<float> logits);
