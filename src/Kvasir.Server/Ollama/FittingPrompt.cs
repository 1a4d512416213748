using System.Text;
using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;
using Kvasir.Text;

namespace Kvasir.Server.Ollama;

/// <summary>
/// A conversation whose oldest turns go, with all that was answered to them, until the rest leaves room for an answer. The system's text and the newest turn
/// stay.
/// </summary>
internal sealed class FittingPrompt(IReadOnlyList<ChatTurn> turns, ChatTemplateOptions options, int contextTokens) : PromptSource
{
    /// <summary>Messages that are not in the prompt; known when it is encoded.</summary>
    public int DroppedCount { get; private set; }

    // However long it is, it may fit in the end.
    public override long TextBytes => 0;

    public override bool IsConversation => true;

    public override IReadOnlyList<int[]> Encode(ServedModel model)
    {
        var fixedCount = turns[0].Role == "system" ? 1 : 0;
        List<int> starts = [fixedCount, .. Enumerable.Range(fixedCount, turns.Count - fixedCount).Where(i => i > fixedCount && turns[i].Role == "user")];
        if (Fitting(model, fixedCount, fixedCount) is { } whole)
            return [whole];
        // Fewer turns never take more tokens, so the first that fits is found by halves.
        var (low, high) = (1, starts.Count - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (Fitting(model, fixedCount, starts[middle]) is not null)
                high = middle;
            else
                low = middle + 1;
        }

        var from = starts[Math.Max(0, high)];
        DroppedCount = from - fixedCount;
        return [Tokens(model, fixedCount, from)];
    }

    // Null where they are too many. A text of which no tokeniser could make so few is not given to it: however long a conversation is, that takes no longer.
    private int[]? Fitting(ServedModel model, int fixedCount, int from)
    {
        var bytes = turns.Take(fixedCount).Concat(turns.Skip(from)).Sum(static turn => (long)Encoding.UTF8.GetByteCount(turn.Content ?? ""));
        if (bytes > (contextTokens + 1L) * model.LongestPieceBytes)
            return null;
        return Tokens(model, fixedCount, from) is { } tokens && tokens.Length < contextTokens ? tokens : null;
    }

    private int[] Tokens(ServedModel model, int fixedCount, int from) =>
        model.Model.EncodeChat(model.Format.Fitted([.. turns.Take(fixedCount), .. turns.Skip(from)]), options, model.Template);
}
