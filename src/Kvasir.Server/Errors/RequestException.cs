namespace Kvasir.Server.Errors;

/// <summary>Ends the way of a request through the server: whoever handles its route answers with the error.</summary>
internal sealed class RequestException : Exception
{
    public RequestException(RequestError error)
        : base(error.Message) => Error = error;

    public RequestException(ErrorKind kind, string message, string? param = null)
        : this(new RequestError(kind, message) { Param = param })
    {
    }

    public RequestError Error { get; }
}
