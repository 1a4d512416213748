using System.Text;
using Kvasir.Cli.Terminal;
using Kvasir.Text;

namespace Kvasir.Cli.Shared;

/// <summary>An answer, whole or as far as it came.</summary>
/// <param name="Sequence">Ended.</param>
/// <param name="Text">The text that was handed on.</param>
/// <param name="Logprobs">One for each token, where asked for.</param>
/// <param name="ReadTokens">Tokens of the prompt that were computed: all of them unless it was interrupted.</param>
internal sealed record Answer(Sequence Sequence, string Text, TokenReport[]? Logprobs, int ReadTokens)
{
    /// <summary>
    /// Computes an answer on this thread and hands its text on as it comes. While the prompt is read, progress is shown; an interrupt
    /// ends the answer, not the process. A failure half-way is in <see cref="Sequence.Failure"/>.
    /// </summary>
    /// <exception cref="KvasirException">The engine refuses the request.</exception>
    public static Answer Compute(Shell shell, Engine engine, Sequence sequence, bool quiet, Action<string> onText)
    {
        var text = new StringBuilder();
        var told = new ToldText(shell, sequence.Options.ShownControls.Count > 0 ? engine.Model : null, quiet, said =>
        {
            text.Append(said);
            onText(said);
        });
        var readTokens = 0;
        List<TokenReport>? logprobs = sequence.Options.TopLogprobs is null ? null : [];
        engine.Submit(sequence);
        try
        {
            shell.Interrupts.Guard(sequence.Cancel, () =>
            {
                readTokens = ReadPrompt(shell, engine, sequence, quiet);
                foreach (var token in Tokens(engine, sequence))
                {
                    if (token.Token >= 0)
                        logprobs?.Add(Logprob(engine.Model.Tokenizer, token));
                    told.Push(token.Text);
                }

                told.Finish();
            });
        }
        catch
        {
            // Whoever reads the answer is gone; the engine lives on and wants its pages back.
            sequence.Cancel();
            while (sequence.Finish == FinishReason.None)
                engine.Step();
            throw;
        }

        return new Answer(sequence, text.ToString(), logprobs?.ToArray(), readTokens);
    }

    private static int ReadPrompt(Shell shell, Engine engine, Sequence sequence, bool quiet)
    {
        var start = TimeProvider.System.GetTimestamp();
        using var progress = new ProgressLine(
            shell, quiet,
            () => $"reading the prompt: {SpeedText.Describe(sequence.CachedCount, sequence.PromptCount, TimeProvider.System.GetElapsedTime(start))}");
        var readTokens = 0;
        while (sequence.GeneratedCount == 0 && sequence.Finish == FinishReason.None)
        {
            engine.Step();
            // An ended sequence has given its rows back.
            readTokens = Math.Max(readTokens, sequence.CachedCount);
        }

        return sequence.GeneratedCount > 0 ? sequence.PromptCount : readTokens;
    }

    private static IEnumerable<GeneratedToken> Tokens(Engine engine, Sequence sequence)
    {
        while (true)
        {
            // Looked at before reading: what comes with the end is read still.
            var finished = sequence.Finish != FinishReason.None;
            while (sequence.TryRead(out var token))
                yield return token;
            if (finished)
                yield break;
            engine.Step();
        }
    }

    private static TokenReport Logprob(Tokenizer tokenizer, GeneratedToken token)
    {
        var alternatives = new AlternativeReport[token.TopLogprobs.Count];
        for (var i = 0; i < alternatives.Length; i++)
            alternatives[i] = new AlternativeReport(token.TopLogprobs[i].Token, Piece(tokenizer, token.TopLogprobs[i].Token), token.TopLogprobs[i].Logprob);
        return new TokenReport(token.Token, Piece(tokenizer, token.Token), token.Logprob, alternatives);
    }

    // A model's output may be wider than its vocabulary.
    private static string Piece(Tokenizer tokenizer, int token) => token < tokenizer.VocabularySize ? tokenizer.Piece(token) : "";
}
