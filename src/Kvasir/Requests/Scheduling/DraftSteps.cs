using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Forward;
using Kvasir.Kernels.Elementwise;
using Kvasir.Requests.Guessing;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// Guesses what sequences will say by the model's own weights in 4 bits (QuantSpec, arXiv 2502.10424), a row of each at a time, under their own policies and
/// with their own draws; of a cache in two planes the upper is read. The rows are taken back: the step that follows computes them as they are. A guess is
/// drawn with the very number with which the token will be drawn, so that the same distribution gives the same token. The paper accepts by a rule of its own,
/// which keeps the distribution and not the tokens; and it has a fixed number of guesses, where as many are made here as pay.
/// </summary>
internal sealed class DraftSteps
{
    private readonly ForwardPass _pass;
    private readonly TimeProvider _time;
    private readonly Batch _batch;
    private readonly List<Round> _rounds;

    private DraftSteps(ForwardPass pass, EngineOptions options)
    {
        (_pass, _time, Costs) = (pass, options.Time, options.DraftCosts ?? new DraftCosts());
        (_batch, _rounds) = (new(options.MaxSequences, options.MaxSequences, options.MaxSequences), new(options.MaxSequences));
    }

    /// <summary>Null for a model without draft weights.</summary>
    public static DraftSteps? For(ForwardPass pass, Model model, EngineOptions options) =>
        model.Weights.Draft is null ? null : new DraftSteps(pass, options);

    public DraftCosts Costs { get; }

    /// <summary>Leaves guesses with those of <paramref name="running"/> that decode, as many as pay.</summary>
    public void Run(ReadOnlySpan<Sequence> running)
    {
        _rounds.Clear();
        foreach (var sequence in running)
        {
            sequence.Guesses.MarkDrafted(0);
            Begin(sequence, running.Length);
        }

        if (_rounds.Count == 0)
            return;
        try
        {
            var (start, count) = (_time.GetTimestamp(), 0);
            while (Step(count))
                count++;
            if (count == 0)
                return;
            var ms = _time.GetElapsedTime(start).TotalMilliseconds;
            Costs.ObserveDraft(ms / count);
            foreach (var round in _rounds)
                round.Sequence.Timings.CountDraft(ms / _rounds.Count);
        }
        finally
        {
            foreach (var round in _rounds)
                End(round);
        }
    }

    /// <summary>Learns what a step took that computed <paramref name="segments"/>.</summary>
    public void Observe(ReadOnlySpan<Segment> segments, double ms)
    {
        var guesses = 0;
        foreach (var segment in segments)
        {
            // What prompts take beside is no matter of guesses.
            if (segment.IsPrompt)
                return;
            guesses += segment.RowCount - 1;
        }

        Costs.ObserveStep(ms, guesses / (double)Math.Max(1, segments.Length));
    }

    private void Begin(Sequence sequence, int running)
    {
        if (!sequence.IsDecoding || sequence.IsOver || sequence.TokenCount < sequence.AnswerStart || sequence.Attention!.TakeBack.Marks == 0)
            return;
        var most = sequence.Guesses.Length.Choose(Costs, Guesses.Most(sequence), tokens: 1);
        var attention = sequence.Attention;
        // Nobody is to be preempted for a guess.
        if (most == 0 || !_pass.Cache.Pool.HasRoom((long)_pass.Cache.HeadCount * running, 0) || !attention.TryReserve(attention.RowCount + 1 + most))
            return;
        sequence.Room(most);
        attention.Mark();
        _rounds.Add(new Round(sequence, attention.RowCount, most));
    }

    // One row of all that want one more.
    private bool Step(int index)
    {
        _batch.Clear();
        for (var i = 0; i < _rounds.Count; i++)
        {
            var round = _rounds[i];
            if (round.Goes(index))
                _batch.Add(round.Sequence.Attention!, round.Sequence.NewestWith(index)[index..], 1);
        }

        if (_batch.RowCount == 0 || !_pass.TryDraft(_batch))
            return false;
        var row = 0;
        for (var i = 0; i < _rounds.Count; i++)
        {
            var round = _rounds[i];
            if (round.Goes(index) && TryGuess(round.Sequence, index, _pass.Logits(row++)))
                _rounds[i] = round with { Count = index + 1 };
        }

        return true;
    }

    // What follows the guesses so far. Logits that are none end the round: the model's own will tell.
    private static bool TryGuess(Sequence sequence, int index, Span<float> logits)
    {
        var largest = VectorMath.MaxOrNaN(logits);
        if (!float.IsFinite(largest) || sequence.IsOver)
            return false;
        var tokens = sequence.With(index);
        var allowed = index == 0 ? sequence.Constraint?.Allowed : null;
        sequence.Room(index + 1)[index] = sequence.Sampler!.Guess(logits, largest, tokens, sequence.AnswerStart, allowed);
        return true;
    }

    private static void End(Round round)
    {
        round.Sequence.Attention!.Truncate(round.RowCount);
        round.Sequence.Guesses.MarkDrafted(round.Count);
    }

    /// <param name="RowCount">Before.</param>
    /// <param name="Most">Guesses to be made.</param>
    private readonly record struct Round(Sequence Sequence, int RowCount, int Most)
    {
        /// <summary>Guesses that were made.</summary>
        public int Count { get; init; }

        // An index that has to be built waits for the rows themselves.
        public bool Goes(int index) => index < Most && index == Count && !Sequence.IsOver && !Sequence.Attention!.IsIndexing;
    }
}
