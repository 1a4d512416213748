using System.Globalization;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Requests;
using Kvasir.Sampling;
using Kvasir.Synthetic;

namespace Kvasir.Bench.Drafts;

/// <summary>
/// Answers that a model guesses by its own weights in 4 bits and the upper plane of its cache (QuantSpec), beside those without guesses: whether their tokens
/// are equal, and what a token takes. Prompts begin alike, so that one of them is computed and the others but for their ends. A step of several rows rounds as
/// a batch does, and random weights have near draws: where answers part, how far the second token was behind the first tells the one from a fault.
/// </summary>
internal static class DraftRun
{
    private const int TailTokens = 96;
    private const int MostGuesses = 8;

    /// <param name="arguments">A shape, tokens of a prompt, of an answer, and prompts.</param>
    public static int Run(string[] arguments)
    {
        var shape = arguments.Length > 0 ? arguments[0] : "llama3.2-1b";
        var (tokens, answerTokens, prompts) = (Number(arguments, 1, 32768), Number(arguments, 2, 512), Number(arguments, 3, 8));
        using var model = Model.Synthetic(SyntheticShape.Parse(shape), SyntheticWeights.Q8_0, options: new ModelOptions { DraftWeights = true });
        var config = model.Config;
        using var engine = new Engine(model, new EngineOptions
        {
            Kv = KvFormat.QuantSpec,
            KvMemoryBytes = 2L * (tokens + prompts * (TailTokens + answerTokens + 512)) * config.LayerCount * config.KvHeadCount * config.HeadDim * 2,
            ContextTokens = tokens + answerTokens + MostGuesses + 1,
            PrefixCache = true,
        });
        Console.WriteLine($"{shape}, Q8_0, quantspec: {prompts} prompts of {tokens} tokens, {answerTokens} greedy tokens each");
        Console.WriteLine("prompt  cached  ms a token  ms with a draft  times as fast  guessed  accepted  equal tokens, gap where they part");
        var (alone, drafted, isEqual) = (0.0, 0.0, true);
        for (var number = 0; number < prompts; number++)
        {
            // What comes from the prefix cache is codes, and what was computed just now is not yet: both find the same of it.
            Answer(engine, tokens, number, answerTokens: 1, guesses: 0);
            var (plain, guessed) = (Answer(engine, tokens, number, answerTokens, guesses: 0), Answer(engine, tokens, number, answerTokens, MostGuesses));
            var same = plain.Tokens.CommonPrefixLength(guessed.Tokens) - tokens;
            var (first, second) = (plain.Timings.DecodeMs / (answerTokens - 1), guessed.Timings.DecodeMs / (answerTokens - 1));
            (alone, drafted, isEqual) = (alone + first, drafted + second, isEqual && same == answerTokens);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{number,6}  {plain.CachedTokens,6}  {first,10:0.00}  {second,15:0.00}  {first / second,13:0.00}  {guessed.Timings.GuessedTokens,7}  "
                    + $"{guessed.Timings.AcceptedTokens,8}  {same,6} of {answerTokens}  {(same < answerTokens ? Margin(plain, same) : 0):0.0000;;}"));
        }

        var tokensAre = isEqual ? "equal" : "not equal";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"together {alone / drafted:0.00} times as fast; tokens {tokensAre}"));
        return isEqual ? 0 : 1;
    }

    private static Sequence Answer(Engine engine, int tokens, int number, int answerTokens, int guesses)
    {
        var (common, own) = (new Random(1), new Random(2 + number));
        var prompt = Enumerable.Range(0, tokens).Select(i => (i < tokens - TailTokens ? common : own).Next(engine.Model.Config.VocabularySize)).ToArray();
        var sequence = new Sequence(prompt, new GenerationOptions
        {
            MaxTokens = answerTokens,
            IgnoreEnd = true,
            Sampling = SamplingOptions.Greedy,
            SpeculativeTokens = guesses,
            TopLogprobs = 2,
        });
        engine.Submit(sequence);
        while (engine.Step())
        {
        }

        return sequence.Failure is null && sequence.GeneratedCount == answerTokens
            ? sequence
            : throw new InvalidOperationException($"prompt {number}: {sequence.GeneratedCount} of {answerTokens} tokens", sequence.Failure);
    }

    private static float Margin(Sequence sequence, int index)
    {
        for (var read = 0; sequence.TryRead(out var token); read++)
        {
            if (read == index)
                return token.TopLogprobs[0].Logprob - token.TopLogprobs[1].Logprob;
        }

        return float.NaN;
    }

    private static int Number(string[] arguments, int index, int otherwise) =>
        arguments.Length > index ? int.Parse(arguments[index], CultureInfo.InvariantCulture) : otherwise;
}
