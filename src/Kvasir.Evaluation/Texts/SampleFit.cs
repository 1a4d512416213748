namespace Kvasir.Evaluation.Texts;

/// <summary>
/// Makes a sample as long as was asked for, by trying sizes of its text with the real tokenizer. Tokens grow almost evenly with a text, so that a
/// straight line through two sizes meets the length within a few trials; what no whole unit can fill is filled with dots behind the text.
/// </summary>
internal sealed class SampleFit(string task, SampleRequest request)
{
    private const double Tolerance = 0.01;

    // A line that misses this often gives way to halving.
    private const int Guesses = 12;

    private readonly List<int> _tokens = [];

    /// <summary>Tokens of a text that follows other text.</summary>
    public int Count(string text)
    {
        _tokens.Clear();
        request.Tokenizer.Encode(text, addBegin: false, parseSpecial: false, _tokens);
        return _tokens.Count;
    }

    /// <summary>Room for an answer: what RULER gives, or more where the tokenizer spends more on what is expected.</summary>
    /// <param name="least">RULER's figure.</param>
    /// <param name="answers">What is expected, all of it.</param>
    public int AnswerTokens(int least, IReadOnlyList<string> answers) => Math.Max(least, Count(string.Join(", ", answers)) + 8);

    /// <summary>The longest sample within the length; short of it by 1 % at most.</summary>
    /// <param name="build">A sample whose text has so many units; more units, more tokens.</param>
    /// <param name="leastUnits">Without these the task makes no sense.</param>
    /// <param name="mostUnits">There are no more.</param>
    /// <exception cref="KvasirException">Not even the least units fit, or the most do not fill the length.</exception>
    public Sample Fill(Func<int, Sample> build, int leastUnits = 0, int mostUnits = int.MaxValue) =>
        TryFill(build, leastUnits, mostUnits) ?? throw Refused(
            LeastTokens(build, leastUnits) > request.LengthTokens
                ? $"takes at least {LeastTokens(build, leastUnits)} tokens with this tokenizer"
                : $"has texts of at most {Tokens(build(mostUnits))} tokens with this tokenizer");

    /// <summary>As <see cref="Fill"/>; null in place of the exception.</summary>
    public Sample? TryFill(Func<int, Sample> build, int leastUnits, int mostUnits)
    {
        if (LeastTokens(build, leastUnits) > request.LengthTokens)
            return null;
        var sample = Longest(build, leastUnits, mostUnits, out var units);
        if (IsFull(Tokens(sample)))
            return sample;
        return units == mostUnits
            ? null
            : Longest(dots => sample with { Context = sample.Context + string.Concat(Enumerable.Repeat(" .", dots)) }, 0, int.MaxValue, out _);
    }

    private static double Line(int low, int lowTokens, int high, int highTokens, int target) =>
        low + (high - low) * (double)(target - lowTokens) / Math.Max(1, highTokens - lowTokens);

    private Sample Longest(Func<int, Sample> build, int least, int most, out int units)
    {
        var (best, low, high) = (build(least), least, (long)most + 1);
        var (lowTokens, first) = (Tokens(best), (Units: least, Tokens: Tokens(best)));
        var guess = Math.Min((long)least + 16, most);
        for (var trial = 0; low + 1 < high && !IsFull(lowTokens); trial++)
        {
            guess = Math.Clamp(guess, low + 1L, Math.Min(high - 1, (long)low + request.LengthTokens));
            var sample = build((int)guess);
            var tokens = Tokens(sample);
            if (tokens <= request.LengthTokens)
                (best, low, lowTokens) = (sample, (int)guess, tokens);
            else
                high = guess;
            // Aimed a little below the length, where the tolerance is.
            var aim = Math.Max(lowTokens + 1, (int)(request.LengthTokens * (1 - Tolerance / 3)));
            guess = trial < Guesses ? (long)Line(first.Units, first.Tokens, (int)guess, tokens, aim) : low + (high - low) / 2;
        }

        units = low;
        return best;
    }

    private bool IsFull(int tokens) => tokens <= request.LengthTokens && tokens >= request.LengthTokens * (1 - Tolerance);

    private int LeastTokens(Func<int, Sample> build, int leastUnits) => Tokens(build(leastUnits));

    private int Tokens(Sample sample)
    {
        _tokens.Clear();
        request.Tokenizer.Encode(sample.Prompt, addBegin: true, parseSpecial: false, _tokens);
        return _tokens.Count + sample.AnswerTokens;
    }

    private KvasirException Refused(string reason) => new(KvasirError.BadOption, $"task {task} {reason}; {request.LengthTokens} were asked for");
}
