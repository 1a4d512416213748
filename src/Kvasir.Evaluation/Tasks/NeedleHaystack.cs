using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>
/// One text with many questions: keys with numbers, and variables that hand numbers on, scattered in idle words as the needle model knows them.
/// </summary>
/// <param name="Text">What every question is about.</param>
/// <param name="Questions">In the order in which they are asked.</param>
/// <param name="KeyCount">Keys in the text, most of which nobody asks for.</param>
/// <param name="ChainCount">Chains of variables in the text.</param>
/// <param name="AnswerTokens">Most tokens that an answer may take.</param>
internal sealed record NeedleHaystack(string Text, IReadOnlyList<HaystackQuestion> Questions, int KeyCount, int ChainCount, int AnswerTokens)
{
    /// <summary>The smallest vocabulary has names for so many.</summary>
    public const int MostQuestions = 32;

    private const int TokensPerKey = 128;
    private const int FewestChains = 2;
    private const int MostChainNames = 3;

    // One of so many questions is about a variable.
    private const int QuestionsPerChain = 4;

    /// <summary>Text, longest question and answer together have as many tokens as asked for, or up to 1 % less.</summary>
    /// <param name="request">The same gives the same text and questions.</param>
    /// <param name="questionCount">1 to <see cref="MostQuestions"/>.</param>
    /// <exception cref="KvasirException">There is no room for what the questions are about.</exception>
    public static NeedleHaystack Of(SampleRequest request, int questionCount)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(questionCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(questionCount, MostQuestions);
        var (dice, vocabulary) = (Dice.Of("haystack", request), NeedleVocabulary.Of(request.Tokenizer));
        var askedChains = questionCount / QuestionsPerChain;
        var chainCount = Math.Max(FewestChains, askedChains);
        var keyCount = Math.Clamp(request.LengthTokens / TokensPerKey, questionCount - askedChains, vocabulary.Names.Length - chainCount * MostChainNames);
        var names = dice.Draw(vocabulary.Names, keyCount + chainCount * MostChainNames);
        string[] numbers = [.. Enumerable.Range(0, keyCount + chainCount).Select(i => NeedleVocabulary.Number(dice.Part(i)))];
        string[][] keys = [.. names[..keyCount].Select((name, i) => Fact("key", name, numbers[i]))];
        string[][][] chains = [
            .. names[keyCount..].Chunk(MostChainNames).Select((own, i) => Chain(own[..dice.Between(2, MostChainNames)], numbers[keyCount + i]))];
        HaystackQuestion[] questions =
        [
            .. Spread(dice, keyCount, questionCount - askedChains).Select(i => Question([keys[i]])),
            .. Enumerable.Range(0, askedChains).Select(i => Question(chains[i])),
        ];
        dice.Shuffle<HaystackQuestion>(questions);
        return Filled(request, Mixed(dice, keys, chains), questions) with { KeyCount = keyCount, ChainCount = chainCount };
    }

    private static NeedleHaystack Filled(SampleRequest request, List<string[]> facts, HaystackQuestion[] questions)
    {
        var fit = new SampleFit($"haystack with {questions.Length} {(questions.Length == 1 ? "question" : "questions")}", request);
        var answerTokens = questions.Max(question => fit.Count($" {question.Answer} ."));
        var longest = questions.MaxBy(question => fit.Count(question.Prompt))!;
        var text = fit.Fill(
            count => new Sample(
                string.Concat(NeedleVocabulary.Scattered(Dice.Of("idle", request), facts, count).Select(static word => " " + word)),
                longest.Prompt,
                "",
                [longest.Answer],
                answerTokens,
                ScoringRule.ContainsAll),
            facts.Sum(static fact => fact.Length)).Context;
        return new NeedleHaystack(text, Array.ConvertAll(questions, question => question with { Depth = DepthOf(question, text) }), 0, 0, answerTokens);
    }

    private static string[] Fact(string kind, string name, string value) => [kind, name, value, "."];

    private static string[][] Chain(string[] names, string number) => [.. names.Select((name, i) => Fact("VAR", name, i == 0 ? number : names[i - 1]))];

    // An answer follows a chain back to the number.
    private static HaystackQuestion Question(string[][] chain) =>
        new($"{chain[^1][0]} {chain[^1][1]}", string.Join(' ', chain.Select(static fact => fact[2]).Reverse()), 0);

    // One from each of as many equal parts.
    private static IEnumerable<int> Spread(Dice dice, int count, int drawn) =>
        Enumerable.Range(0, drawn).Select(i => dice.Between(i * count / drawn, (i + 1) * count / drawn - 1));

    // Keys in their order; chains between them, each in its own order.
    private static List<string[]> Mixed(Dice dice, string[][] keys, string[][][] chains)
    {
        var (open, next) = (chains.Select(static chain => new Queue<string[]>(chain)).ToList(), 0);
        var facts = new List<string[]>();
        while (open.Count > 0 || next < keys.Length)
        {
            if (dice.Below(keys.Length - next + open.Sum(static chain => chain.Count)) < keys.Length - next)
            {
                facts.Add(keys[next++]);
                continue;
            }

            facts.Add(dice.Pick(open).Dequeue());
            open.RemoveAll(static chain => chain.Count == 0);
        }

        return facts;
    }

    // No other fact begins as the one that was asked for.
    private static double DepthOf(HaystackQuestion question, string text) =>
        (double)text.IndexOf($" {question.Asked} ", StringComparison.Ordinal) / text.Length;
}
