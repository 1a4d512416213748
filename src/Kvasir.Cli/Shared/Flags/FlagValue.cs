using System.Diagnostics.CodeAnalysis;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>What may be typed behind a flag or in the place of an operand, and what becomes of it.</summary>
/// <param name="Name">A word in capitals that stands for it in help.</param>
/// <param name="Allowed">What it is, as errors say it behind "is not".</param>
/// <param name="Parser">False for a text that is none; may throw a <see cref="KvasirException"/> that says more.</param>
internal sealed record FlagValue<T>(string Name, string Allowed, TextParser<T> Parser)
{
    /// <summary>Its limits, as help has them in brackets.</summary>
    public string? Limits { get; init; }

    /// <summary>All that may be typed; empty where that is no short list.</summary>
    public Func<IReadOnlyList<string>> Choices { get; init; } = static () => [];

    /// <summary>Whether it is the name of a file or folder.</summary>
    public bool IsPath { get; init; }

    /// <summary>Whether what the path names is written.</summary>
    public bool IsWritten { get; init; }

    /// <summary>Whether the file is a state that is read at the beginning and replaced at the end: one name may stand for both.</summary>
    public bool IsState { get; init; }

    /// <summary>Whether several paths may stand in it, with commas between.</summary>
    public bool IsPathList { get; init; }

    /// <summary>What two become, where a flag may be repeated. It may throw as <see cref="Parser"/>.</summary>
    public Func<T, T, T>? Join { get; init; }

    /// <exception cref="KvasirException">It is none; the message says what is allowed.</exception>
    public T Parse(string text) => Parser(text, out var value) ? value : throw new KvasirException(KvasirError.BadOption, $"'{text}' is not {Allowed}");

    /// <summary>The value of a flag that was typed so often; the last one where they cannot be joined.</summary>
    /// <exception cref="KvasirException">As <see cref="Parse(string)"/>.</exception>
    public T Parse(IReadOnlyList<string> texts)
    {
        var value = Parse(texts[0]);
        foreach (var text in texts.Skip(1))
            value = Join is null ? Parse(text) : Join(value, Parse(text));
        return value;
    }
}

/// <summary>Whether a text is a value, and which.</summary>
internal delegate bool TextParser<T>(string text, [MaybeNullWhen(false)] out T value);
