using Kvasir.Calls;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared;

/// <summary>
/// What of an answer is told. Where the model answers in messages with channels, what it thinks goes to standard error, where people read it, and what it
/// says is the answer; elsewhere all of it is.
/// </summary>
/// <param name="model">Of channels; null where all is told as it comes.</param>
/// <param name="onText">Takes what is said.</param>
internal sealed class ToldText(Shell shell, Model? model, bool quiet, Action<string> onText)
{
    private readonly AnswerSplitter? _splitter = model is null ? null : new AnswerSplitter(AnswerFormat.Of(model.Template, model.Tokenizer));
    private bool _isThinking;

    /// <summary>The options with which a conversation's answer is computed, so that headers of channels can be seen in it.</summary>
    public static GenerationOptions Options(Model model, GenerationOptions options)
    {
        var format = AnswerFormat.Of(model.Template, model.Tokenizer);
        return format.HasChannels ? options with { ShownControls = format.ShownControls } : options;
    }

    public void Push(string text)
    {
        if (_splitter is null)
            onText(text);
        else
            Tell(_splitter.Push(text));
    }

    /// <summary>No more text comes.</summary>
    public void Finish()
    {
        if (_splitter is not null)
            Tell(_splitter.Finish());
        EndThought();
    }

    private void Tell(IReadOnlyList<AnswerPart> parts)
    {
        foreach (var part in parts)
        {
            if (part.Kind != AnswerPartKind.Reasoning)
            {
                EndThought();
                onText(part.Text);
            }
            else if (!quiet)
            {
                _isThinking = true;
                shell.Error.Write(shell.HasColor ? $"\e[2m{Printable.Text(part.Text)}\e[22m" : Printable.Text(part.Text));
            }
        }
    }

    private void EndThought()
    {
        if (_isThinking)
            shell.Error.WriteLine();
        _isThinking = false;
    }
}
