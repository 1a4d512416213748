using Kvasir.Requests.Guessing;

namespace Kvasir.Requests;

/// <summary>
/// The tokens that a sequence puts behind its newest one, to be verified in one step: those that are given, or that a draft or its own text suggests.
/// </summary>
internal sealed class Guesses
{
    // Null where no draft makes them.
    private int? _drafted;

    /// <summary>How many a draft makes at a time.</summary>
    public DraftLength Length { get; } = new();

    /// <summary>The most tokens that may be guessed behind the newest one.</summary>
    public static int Most(Sequence sequence)
    {
        // The last token of all is drawn, and never computed.
        var most = Math.Min(sequence.Options.SpeculativeTokens, sequence.TokenLimit - sequence.TokenCount - 1);
        return Math.Max(0, Math.Min(most, RowsToHalf(sequence)));
    }

    /// <summary>Says that so many tokens stand behind the newest one (<see cref="Sequence.Room"/>).</summary>
    public void MarkDrafted(int count) => _drafted = count;

    /// <summary>Puts candidates behind the tokens: what is given next, or else a guess.</summary>
    /// <returns>How many; 0 without speculation, or where nothing can be guessed.</returns>
    public int Propose(Sequence sequence, int most)
    {
        var drafted = _drafted;
        _drafted = drafted is null ? null : 0;
        if (sequence.TokenCount < sequence.AnswerStart)
            return Math.Min(Math.Min(most, sequence.Options.SpeculativeTokens), Math.Min(sequence.AnswerStart - sequence.TokenCount, RowsToHalf(sequence)));
        most = Math.Min(most, Most(sequence));
        if (drafted is not null || most <= 0)
            return Math.Max(0, Math.Min(most, drafted ?? 0));
        return RepeatedText.TryContinue(sequence.Tokens, sequence.Room(most)) ? most : 0;
    }

    // Rows that come in one step as if they came one by one: none of them may begin a half of the newest rows, at which older ones are read as they are stored.
    private static int RowsToHalf(Sequence sequence) => sequence.Attention!.Cache!.Head(0, 0).Format is { HalfRows: > 0 and var half }
        ? half - 1 - (sequence.TokenCount % half)
        : int.MaxValue;
}
