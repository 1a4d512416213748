using Kvasir.Attention;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.Tasks;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cli.Demo;

/// <summary>What <c>demo</c> asks, and of whom.</summary>
internal static class DemoFlags
{
    private const int DefaultContext = 32768;

    public static readonly ValueFlag<int> Context = EngineFlags.Context with
    {
        Help = "Tokens of text, question and answer, as 4096 or 128k",
        Otherwise = "32k, or the model's native window if that is less",
    };

    public static readonly ValueFlag<int> Questions = new(
        "--questions",
        "Asked about the text",
        FlagValues.Whole(1, NeedleHaystack.MostQuestions))
    { Default = "8" };

    public static readonly ValueFlag<ulong> Seed = SamplingFlags.SeedOf("Of text and questions: the same seed gives the same", 1);

    public static readonly ValueFlag<string> Model = new(
        "--model", $"{ModelFlags.Model.Help}; the text is made of words that the needle model knows", ModelFlags.Model.Value with { Name = "NAME" })
    {
        Default = "needle",
    };

    public static FlagGroup[] Groups =>
        [new("Text and questions", Context, Questions, Seed), new("Model and policies", [Model, Attention, .. KvFlags.All, EngineFlags.Threads])];

    private static ValueFlag<AttentionPolicy[]> Attention =>
        EngineFlags.Policies("Policies that answer side by side") with { Default = "dense,magicpig,psa,guarded" };

    public static DemoPlan Read(TypedCommand typed, int nativeTokens) => new()
    {
        ContextTokens = typed.FindValue(Context) ?? Math.Min(DefaultContext, nativeTokens),
        Policies = typed.Get(Attention),
        QuestionCount = typed.Get(Questions),
        Seed = typed.Get(Seed),
        Kv = KvFlags.Read(typed),
        Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
    };
}

/// <summary>What a demonstration was asked for.</summary>
internal sealed record DemoPlan
{
    /// <summary>Tokens of text, question and answer.</summary>
    public required int ContextTokens { get; init; }

    /// <summary>At least one, each once.</summary>
    public required IReadOnlyList<AttentionPolicy> Policies { get; init; }

    public required int QuestionCount { get; init; }

    /// <summary>Of text and questions.</summary>
    public required ulong Seed { get; init; }

    public required KvFormat Kv { get; init; }

    /// <summary>As <see cref="EngineOptions.Threads"/>.</summary>
    public required int Threads { get; init; }
}
