using Kvasir.Attention.Batches;
using Kvasir.Forward;
using Kvasir.Ground;
using Kvasir.Text;

namespace Kvasir.Requests;

/// <summary>Draws tokens from the logits of a pass: of each sequence the next, and as many more as candidates were right.</summary>
internal sealed class TokenDraw(ForwardPass pass, Tokenizer tokenizer)
{
    /// <summary>Adds to a sequence what its rows of a pass tell. What throws here is the sequence's own fault, and ends it.</summary>
    /// <param name="segment">Its rows.</param>
    /// <param name="logitIndex">Of their first logits.</param>
    /// <returns>How the answer ends; <see cref="FinishReason.None"/> while it goes on.</returns>
    public FinishReason TryCommit(Sequence sequence, in Segment segment, int logitIndex)
    {
        if (sequence.Fault is not null)
            return FinishReason.None;
        try
        {
            return Commit(sequence, segment, logitIndex);
        }
        catch (Exception fault)
        {
            sequence.MarkFault(fault);
            return FinishReason.None;
        }
    }

    /// <summary>Tells whoever asked the hidden states of a sequence's rows. What throws here is the sequence's own fault, and ends it.</summary>
    public void TellHidden(Sequence sequence, in Segment segment)
    {
        if (sequence.Options.Hidden is not { } observer || sequence.Fault is not null)
            return;
        try
        {
            for (var row = 0; row < segment.RowCount; row++)
                observer(segment.FirstPosition + row, pass.Hidden(segment.FirstRow + row));
        }
        catch (Exception fault)
        {
            sequence.MarkFault(fault);
        }
    }

    // A candidate is right if it is the very token that is drawn behind the row before it: then its own row tells what comes next. Tokens are those that would
    // have been drawn one by one, since a draw depends on seed, step and logits alone. Rows from the first wrong candidate on are taken back.
    private FinishReason Commit(Sequence sequence, in Segment segment, int logitIndex)
    {
        if (sequence.TokenCount >= sequence.AnswerStart)
            sequence.Timings.CountGuess(segment.LogitCount - 1);
        var before = segment.RowCount - segment.LogitCount;
        var tokens = pass.Batch.Tokens.Slice(segment.FirstRow + before, segment.LogitCount);
        var (row, finish, isAnswer) = (0, FinishReason.None, sequence.TokenCount >= sequence.AnswerStart);
        for (; row < tokens.Length; row++)
        {
            finish = CommitToken(sequence, pass.Logits(logitIndex + row));
            if (finish != FinishReason.None || row + 1 == tokens.Length || sequence.Tokens[^1] != tokens[row + 1])
                break;
            if (sequence.GeneratedCount > 0)
                sequence.Timings.CountAccepted();
        }

        if (isAnswer)
            sequence.Guesses.Length.Observe(segment.LogitCount - 1, Math.Min(row, segment.LogitCount - 1));
        sequence.Attention!.Audit?.Settle(before + row + 1);
        if (finish == FinishReason.None && sequence.CachedCount >= sequence.TokenCount)
            sequence.Attention.Truncate(sequence.TokenCount - 1);
        return finish;
    }

    private FinishReason CommitToken(Sequence sequence, Span<float> logits)
    {
        var step = sequence.TokenCount - sequence.PromptCount;
        var largest = LogitRow.Largest(logits, step, sequence.TokenCount - 1);
        sequence.Options.Logits?.Invoke(step, logits);
        if (sequence.TryCommitGiven())
            return FinishReason.None;
        if (sequence.Options.MaxTokens == 0)
            return FinishReason.Length;
        var sampled = sequence.Sampler!.Pick(logits, largest, sequence.Tokens, sequence.AnswerStart, sequence.Constraint?.Allowed);
        if (tokenizer.IsEnd(sampled.Token) && !sequence.Options.IgnoreEnd)
            return sequence.StopsAtEnd(tokenizer.ControlName(sampled.Token)) ? FinishReason.Stop : FinishReason.End;
        var name = tokenizer.ControlName(sampled.Token);
        var isShown = !name.IsEmpty && sequence.Options.ShownControls.Contains(sampled.Token);
        if (isShown ? sequence.CommitToken(sampled.Token, name, sampled) : sequence.CommitToken(sampled.Token, tokenizer.Bytes(sampled.Token), sampled, name))
            return FinishReason.Stop;
        if (sequence.Constraint?.IsOver == true)
            return FinishReason.End;
        if (sequence.TokenCount < sequence.TokenLimit)
            return FinishReason.None;
        return sequence.GeneratedCount == sequence.Options.MaxTokens ? FinishReason.Length : FinishReason.ContextFull;
    }
}
