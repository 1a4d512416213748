using Kvasir.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cli.Demo;

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
