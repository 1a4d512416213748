using Kvasir.Server.Errors;

namespace Kvasir.Server.Answers;

/// <summary>
/// Writes an answer as a dialect has it, told what happens in the order in which it happens: begin, then progress and pieces and ends of choices, then one
/// finish or one failure. What it writes to takes one frame at a time.
/// </summary>
internal abstract class AnswerWriter(ServedAnswer answer)
{
    protected ServedAnswer Answer => answer;

    /// <summary>The request is in the queue: headers go out, where the dialect streams.</summary>
    public abstract Task BeginAsync();

    /// <summary>More of the prompt is computed. Told only where the request asks for it.</summary>
    public abstract Task ProgressAsync();

    public abstract Task PieceAsync(Choice choice, AnswerPiece piece);

    /// <summary>A choice has ended, as its sequence says.</summary>
    public abstract Task EndAsync(Choice choice);

    /// <summary>All choices have ended.</summary>
    public abstract Task FinishAsync();

    /// <summary>There will be no more.</summary>
    /// <exception cref="RequestException">Nothing was written yet, so that the error can have its status.</exception>
    public abstract Task FailAsync(RequestError error);

    /// <summary>Until <see cref="KeepAliveAsync"/> is due, if nothing else is written; null for never.</summary>
    public abstract TimeSpan? UntilKeepAlive { get; }

    /// <summary>Writes that the server is alive.</summary>
    public abstract Task KeepAliveAsync();
}
